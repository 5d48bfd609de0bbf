"""The API is as its description says: schemathesis asks it what the description allows, and what it does not."""

import asyncio

import asyncpg
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.support.api import world
from tests.support.api.world import SERVICE, Api, Tenant

EXAMPLES = 3
"""Random requests of each operation, besides those for every boundary of its parameters and fields."""


def config(tenant: Tenant, job: str) -> SchemathesisConfig:
    """With ids of what is there, so that more than 404 is answered."""
    return SchemathesisConfig.from_dict(
        {
            "seed": 11,
            "headers": {"Authorization": f"Bearer {SERVICE}"},
            "parameters": {"path.id": tenant.workspace_id, "path.job_id": job},
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
            # A body can be in order and yet name a repository that the workspace does not have: 400.
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "304", "400", "404", "409"]}},
            "phases": {"stateful": {"enabled": False}, "examples": {"enabled": False}},
        }
    )


def problems(url: str, settings: SchemathesisConfig) -> tuple[set[str], int, list[str]]:
    """The operations that were tried, with how many requests, and what was wrong."""
    tried, requests, wrong = set(), 0, []
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json", config=settings)
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished) and event.is_test_scenario:
            tried.add(event.recorder.label)
            requests += len(event.recorder.interactions)
            for case, checks in event.recorder.checks.items():
                asked = f"{event.recorder.label} {event.recorder.cases[case].value}"
                wrong += [f"{asked}: {each.failure_info.failure}" for each in checks if each.failure_info]
        elif isinstance(event, events.NonFatalError):
            wrong.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            wrong.append(str(event.exception))
    return tried, requests, wrong


async def test_schemathesis_finds_nothing(api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
    job = await world.job(host, tenant.workspace_id, "failed")
    tried, requests, wrong = await asyncio.to_thread(problems, api.url, config(tenant, job))
    assert not wrong, "\n".join(wrong[:20])
    described = (await api.ask("GET", "/api/openapi.json")).json["paths"]
    operations = {f"{method.upper()} {path}" for path, its in described.items() for method in its}
    assert operations - tried == {"GET /api/openapi.json"}  # it was read to begin with
    assert requests > 20 * len(tried)
