"""Everything that is specific to GitHub: its queries, limits and errors, and how its answers become rows."""
