"""The SQL files that define the shape of the database, and the code that brings any database into it (`migrate.py`)."""
