"""Answers GraphQL requests as GitHub does, on GitHub's real schema. Each request is validated, priced and executed.

**Add a field.** If the type has a class in `MODELS`, and the class has an attribute with the field's name in snake
case, the field is served already. Otherwise write a resolver under `@field("Type.field")`, in the module of `fields/`
for that type. If `schema.graphql` lacks the type, name the type in `derive_schema.py`, which derives the file from
GitHub's whole schema. A field that has neither an attribute nor a resolver is refused with 501.
"""
