"""The code that knows GitHub: its queries, limits and errors, and the mapping of its answers to rows."""
