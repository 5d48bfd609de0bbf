"""Answers GraphQL requests as GitHub does, on GitHub's real schema: they are validated, priced and executed.

**Add a field.** If an object of the world has an attribute of that name, the field is served already. Otherwise write a
resolver in `fields/`, in the module of the field's type, under `@field("Type.field")`. If `schema.graphql` lacks the
type, name it in `derive_schema.py`, which derives that file from GitHub's whole schema. A field that has neither an
attribute nor a resolver is refused with 501.
"""
