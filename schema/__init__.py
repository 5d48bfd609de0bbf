"""The SQL files that define the shape of the database, and the code that gives any database that shape
(`migrate.py`).
"""
