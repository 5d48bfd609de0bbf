"""All that reads and writes Postgres at run time: one module a table or a noun, its statements beside its functions.

Every statement runs inside an explicit transaction and none relies on a session, so that `DATABASE_URL` may be a
transaction pooler.
"""
