"""Answers GraphQL like GitHub, on its real schema: validated, priced, executed.

**Add a field.** An attribute of a world's object is served under its name already. Otherwise write a resolver in
`fields/`, in the module of its type, under `@field("Type.field")`. If `schema.graphql` lacks the type, name it in
`derive_schema.py`, which derives that file from GitHub's whole schema. A field with neither is refused with 501.
"""
