"""Answers GraphQL requests as GitHub does, on GitHub's real schema: they are validated, priced and executed.

**Add a field.** If the type has a class in the world (`MODELS`), and that class an attribute of the field's name in
snake case, the field is served already. Otherwise write a resolver in `fields/`, in the module of the type that has the
field, under `@field("Type.field")`. If `schema.graphql` lacks the type, name it in `derive_schema.py`, which derives
that file from GitHub's whole schema. A field that has neither an attribute nor a resolver is refused with 501.
"""
