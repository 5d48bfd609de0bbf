"""All the SQL that shapes the database, and the code that brings any database into that shape: `migrate.py`."""
