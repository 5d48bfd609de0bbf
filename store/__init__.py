"""All access to Postgres at run time: one module for each table or subject, with all its SQL statements.

Every statement runs inside an explicit transaction, and none relies on a session, so `DATABASE_URL` may be a
transaction pooler.
"""
