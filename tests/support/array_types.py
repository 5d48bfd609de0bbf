"""What asyncpg has to know of arrays whose types every Postgres has, so that it need not ask on each connection.

Connections in production live for hours, those in tests for a moment: asking took a sixth of the time of the tests'
Postgres.
"""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import asyncpg

# https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat: the oids of arrays and elements.
ELEMENTS = {
    199: (114, "json"),
    1000: (16, "bool"),
    1005: (21, "int2"),
    1007: (23, "int4"),
    1009: (25, "text"),
    1015: (1043, "varchar"),
    1016: (20, "int8"),
    1022: (701, "float8"),
    1115: (1114, "timestamp"),
    1182: (1082, "date"),
    1185: (1184, "timestamptz"),
    1231: (1700, "numeric"),
    2951: (2950, "uuid"),
    3807: (3802, "jsonb"),
}
UNTOUCHED = SimpleNamespace(name="the statement that was being prepared")
"""Nothing was run in between that would have to be prepared again."""


def know_array_types() -> None:
    """Makes asyncpg know the array types, in this process and in those that it forks."""
    connection: Any = asyncpg.Connection
    ask = connection._introspect_types

    async def answer(self: asyncpg.Connection, oids: Collection[int], *within: float | None) -> Any:
        if not ELEMENTS.keys() >= set(oids):
            return await ask(self, oids, *within)
        return [described(oid, *ELEMENTS[oid]) for oid in oids], UNTOUCHED

    connection._introspect_types = answer


def described(oid: int, element: int, name: str) -> dict[str, Any]:
    """Returns the description of an array type, as a row of asyncpg's own query."""
    return {
        "oid": oid,
        "ns": "pg_catalog",
        "name": f"_{name}",
        "kind": b"b",
        "basetype": None,
        "elemtype": element,
        "elemdelim": ",",
        "range_subtype": None,
        "attrtypoids": None,
        "attrnames": None,
        "basetype_name": None,
        "elemtype_name": name,
        "range_subtype_name": None,
    }
