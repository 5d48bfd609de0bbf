"""The SQL files that define the shape of the database. `migrate.py` gives any database this shape."""
