"""GraphQL as GitHub answers it, on its real schema: validated, priced, executed.

**Add a field.** What an object of the world has as an attribute of that name is served already. Else write a resolver
in `fields/`, in the module of its type, under `@field("Type.field")`. A type that `schema.graphql` lacks is named in
`derive_schema.py`, which derives that file from GitHub's whole schema. What has neither is refused with 501.
"""
