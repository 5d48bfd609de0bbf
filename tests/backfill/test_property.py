"""Random repositories, changed, broken and killed at random moments, agree with the truth.

The real activities against real Postgres and the real HTTP stand-in, without Temporal and with workers that cost
hundredths of a second (`life.py`), so that many orders of things can be tried. `scenario.py` says what may happen,
`unseen.py` what of it nobody can know. A search of its own, for as long as one likes:

    THOROUGH=1 pytest tests/backfill/test_property.py
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from sandbox.github.generation import Plan
from store.database import Database
from tests.support.backfill.play import Play, Played
from tests.support.backfill.rows import all_rows
from tests.support.backfill.scenario import NAME, Do, Job, Scenario, scenarios
from tests.support.shop import emptied
from tests.support.thoroughness import THOROUGH, examples

FOUND = {
    "a silent comment, while another repository takes the name": Scenario(
        Plan(NAME, pull_requests=3, issues=3, people=3),
        jobs=(
            Job(
                steps=(
                    *(Do(3, "comment silently", pick) for pick in range(3)),
                    Do(5, "take over repository name"),
                )
            ),
        ),
        tick=90,
    ),
    "one is deleted of many that were born in the second in which a page of a listing ends": Scenario(
        Plan(NAME, pull_requests=0, issues=5, people=3),
        jobs=(Job(steps=(Do(1, "open many issues"),)), Job(steps=(Do(1, "delete thread", 50),))),
    ),
}
"""Each lost a row once."""

COMMON = settings(
    max_examples=examples(1, 1_000),
    # The same ones every time: what is searched for here is found by a thorough run.
    derandomize=not THOROUGH,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


async def play(scenario: Scenario, dsn: str) -> None:
    """Fails with what is different, and with what happened."""
    async with emptied(dsn) as connection:
        await connection.execute("truncate contributors cascade")
    with Play(scenario, dsn) as it:
        try:
            async with Database(dsn) as database:
                await _play(it, database)
        except Exception as error:
            error.add_note("\n".join(it.happened))
            raise


async def _play(it: Play, database: Database) -> None:
    scenario = it.scenario
    workspace_id, ref = await it.workspace(database)
    for number, job in enumerate(scenario.jobs, 1):
        played = await it.run(database, workspace_id, ref, job)
        await _agrees(it, played, f"after job {number}")
    days = scenario.jobs[-1].days
    settled = await it.run(database, workspace_id, ref, Job(days, pause=scenario.settle))
    await _agrees(it, settled, "after the last job")
    assert not it.asked_twice()
    before = await all_rows(it.dsn)
    await it.run(database, workspace_id, ref, Job(days, pause=600))
    assert await all_rows(it.dsn) == before
    if scenario.ends_fresh:
        # Below the cutoff, it depends on the size of its pages how much is stored.
        same = not it.watch.blind and all(proof.by_count for proof in settled.proofs.values())
        fresh = await it.run(database, workspace_id, ref, Job(days, pause=600, fresh=True))
        await _agrees(it, fresh, "after beginning afresh")
        if same:
            assert await all_rows(it.dsn) == before


async def _agrees(it: Play, played: Played, when: str) -> None:
    found = await it.watch.differences(it.dsn, played.cutoff_at, played.proofs)
    assert not found, "\n".join((when, *found))


@pytest.mark.long
@COMMON
@given(scenario=scenarios())
async def test_whatever_happens_postgres_agrees_with_github(scenario: Scenario, module_database: str) -> None:
    await play(scenario, module_database)


@pytest.mark.parametrize("name", FOUND)
async def test_what_was_lost_once_is_not_lost_again(name: str, module_database: str) -> None:
    await play(FOUND[name], module_database)
