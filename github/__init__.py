"""All that knows GitHub: its queries, its limits, its errors, and how its answers become rows."""
