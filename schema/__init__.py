"""The SQL files that define the database's shape, and the code that brings any database into it: `migrate.py`."""
