"""A whole system that is struck by one fault after the other loses nothing: the short form of `make chaos`."""

import pytest

from sandbox.github import World
from sandbox.postgres import Postgres
from sandbox.temporal import Temporal
from tests.support.chaos.run import Run, run
from tests.support.chaos.schedule import Kind
from tests.support.programs import Programs

SEED = 20261128
SECONDS = 4
CHEAP: tuple[Kind, ...] = (
    *("terminate", "webhook killed", "cut", "halved", "truncated"),
    *("postgres hung up", "github fault", "pause"),
)
"""What strikes no server of other tests, and after what Temporal need not wait until it believes a worker dead."""


@pytest.mark.long
async def test_a_system_that_is_struck_again_and_again_has_every_row_and_pays_for_none_twice(
    programs: Programs, database: str, postgres: Postgres, temporal: Temporal
) -> None:
    servers = programs, database, postgres, temporal, World()
    at = Run(*servers, pooled=False, embeds=False, kinds=CHEAP, every=0.5, busy=1, size=0.3)
    happened: list[str] = []
    differences = await run(at, SEED, SECONDS, happened.append)
    assert not differences, "\n".join(happened)
