"""How a backfill stands, as people see it: views of its rows, and what follows from them. No SQL, HTTP or clock."""
