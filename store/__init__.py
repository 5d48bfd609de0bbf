"""All access to Postgres at run time: one module for each table or subject, with all its SQL statements.

Every statement runs inside an explicit transaction, and no statement relies on the state of a session. So
`DATABASE_URL` may lead to a transaction pooler.
"""
