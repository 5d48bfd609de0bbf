"""`starter.py status`: everything that is known of a job, for people and for programs."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from api import models
from api.jobs import MOVING
from messages import Waiting
from progress import views
from tests.support.api import world
from tests.support.cli.operator import AS_OF, ENDS, GONE, OTHER_JOB, PROOF, TWO_TYPES, Operator, waits


class TestStatus:
    """Everything that is known, for people and for programs."""

    async def test_the_json_is_complete(self, operator: Operator) -> None:
        job_id = await operator.halfway()
        said = await operator("status", str(job_id), "--json")
        assert (said.exit_code, said.err) == (0, "")
        job = json.loads(said.out)
        row = await operator.job(job_id)
        [failed, waiting] = job.pop("repositories")
        waiting_until = waiting.pop("waiting_until")
        assert job.pop("waiting_until") == waiting_until
        assert job.pop("waiting") is None, "an older release said only until when"
        # 150 of 300 in ten minutes, a wait of three, and some time for proofs; what failed is not coming any more.
        left = datetime.fromisoformat(job.pop("eta")) - datetime.fromisoformat(job.pop("as_of"))
        assert timedelta(minutes=13) <= left < timedelta(minutes=16)
        assert job["time_left"]["from_seconds"] <= left.total_seconds() <= job["time_left"]["to_seconds"]
        assert job.pop("headline")["text"] == "Waiting for GitHub until {until}"
        assert job.pop("progress").keys() == {"percent", "stored", "expected"}
        assert [each["data_type"] for each in job.pop("types")] == ["pull_requests", "issues"]
        assert job.keys() >= {"time_left", "time_left_reason"}
        del job["time_left"], job["time_left_reason"]
        assert {name: job.pop(name) for name in ("cutoff_at", "created_at", "started_at")} == {
            name: row[name].isoformat().replace("+00:00", "Z") for name in ("cutoff_at", "created_at", "started_at")
        }
        assert job == {
            "id": str(job_id),
            "workspace_id": operator.workspace_id,
            "workspace_name": "acme",
            "workspace_slug": "acme",
            "status": "in_progress",
            "attempt": 0,
            "requested_by": "operator",
            "retention_days": 365,
            "data_types": ["pull_requests", "issues"],
            "total_repositories": 2,
            "completed_repositories": 0,
            "failed_repositories": 0,
            "completed_at": None,
            "cancel_requested_at": None,
            "paused_at": None,
            "retries_waiting": 0,
            "addon_ended_at": None,
            "error_message": None,
            "unshown": 0,
            "addon": {
                "retention_days": 365,
                "status": "active",
                "purchased_at": "2026-11-01T00:00:00Z",
                "expires_at": "2026-12-01T00:00:00Z",
                "past_due": False,
                "renews": True,
                "changes_at": None,
                "changes_to_days": None,
            },
        }
        for repository in (failed, waiting):
            assert uuid.UUID(repository.pop("repository_id"))
        nothing = {"error": None, "started_at": None, "completed_at": None, "cancel_requested": False}
        untold: dict[str, Any] = {"stored": 0, "expected": None, "counts": {}, "as_of": None, "error": None}
        untold |= {"proof": None, "notes": [], "unshown": None, "recent_done": False}
        assert failed == nothing | {
            "full_name": "Octo/B",
            "status": "failed",
            "waiting": None,
            "waiting_until": None,
            "types": [
                untold | {"data_type": "pull_requests", "status": "failed"},
                untold | {"data_type": "issues", "status": "failed", "error": GONE | {"what_to_do": GONE["action"]}},
            ],
        }
        assert waiting == nothing | {
            "waiting": None,
            "full_name": "octo/a",
            "status": "in_progress",
            "types": [
                {
                    "data_type": "pull_requests",
                    "status": "completed",
                    "stored": 100,
                    "expected": 100,
                    "counts": {"pull_requests": 100, "reviews": 30, "comments": 4},
                    "as_of": AS_OF,
                    "proof": PROOF,
                    "notes": [],
                    "unshown": None,
                    "error": None,
                    "recent_done": True,
                },
                untold
                | {
                    "data_type": "issues",
                    "status": "in_progress",
                    "stored": 50,
                    "expected": 200,
                    "counts": {"issues": 50, "comments": 0},
                },
            ],
        }

    async def test_before_it_began_the_repositories_are_those_it_will_begin_with(self, operator: Operator) -> None:
        await operator.start(*TWO_TYPES)
        job = json.loads((await operator("status", "acme", "--json")).out)
        assert [(each["full_name"], each["status"]) for each in job["repositories"]] == [
            ("Octo/B", "pending"),
            ("octo/a", "pending"),
        ]
        pending: dict[str, Any] = {
            "status": "pending",
            "stored": 0,
            "expected": None,
            "counts": {},
            "as_of": None,
            "error": None,
        }
        pending |= {"proof": None, "notes": [], "unshown": None, "recent_done": False}
        assert job["repositories"][0]["types"] == [
            {"data_type": "pull_requests", **pending},
            {"data_type": "issues", **pending},
        ]
        assert {job[name] for name in ("eta", "waiting", "waiting_until", "addon")} == {None}

    @pytest.mark.parametrize(
        ("waiting", "words"),
        [
            (waits("another_job", job_id=OTHER_JOB), f"waiting for job {OTHER_JOB}, which sweeps the same, since "),
            (waits("no_worker", detail="q-historical"), "waiting for a worker on task queue q-historical, since "),
            (waits("github_away"), "waiting: GitHub is away since "),
            (waits("openai_limit", detail="too many tokens"), "waiting for OpenAI (too many tokens)"),
        ],
    )
    async def test_whatever_a_job_waits_for_is_said_in_a_sentence(
        self, operator: Operator, waiting: Waiting, words: str
    ) -> None:
        job_id = (await operator.start(*TWO_TYPES))["id"]
        await operator.set(job_id, status="in_progress")
        running = {"status": "in_progress", "counts": {"issues": 1}}
        await operator.sweep(job_id, "octo/a", waiting=waiting, issues=running)
        turn = waits("turn")
        await operator.sweep(job_id, "Octo/B", "pending", waiting=turn)
        said = await operator("status", "acme")
        lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
        assert lines[0].startswith("Waiting ")
        [issues] = [line for line in lines if line.startswith("octo/a issues")]
        assert words in issues
        [pending] = [line for line in lines if line.startswith("Octo/B issues")]
        assert "pending 0 waiting for its turn, since " in pending
        job = json.loads((await operator("status", "acme", "--json")).out)
        assert (job["waiting"]["reason"], job["headline"]["state"]) == (waiting.reason, "waiting")
        assert OTHER_JOB not in json.dumps(job), "it may be another customer's"
        by_name = {each["full_name"]: each["waiting"]["reason"] for each in job["repositories"]}
        assert by_name == {"octo/a": waiting.reason, "Octo/B": "turn"}

    async def test_a_type_that_waits_beside_one_that_goes_on_is_said_alone(self, operator: Operator) -> None:
        job_id = (await operator.start(*TWO_TYPES))["id"]
        await operator.set(job_id, status="in_progress")
        running = {"status": "in_progress", "counts": {}}
        waiting = waits("another_job", job_id=OTHER_JOB, data_types=["issues"])
        await operator.sweep(job_id, "octo/a", waiting=waiting, issues=running, pull_requests=running)
        said = await operator("status", "acme")
        lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
        assert lines[0].startswith("Fetching 30 days of history")
        assert [line.split(" ")[1] for line in lines if OTHER_JOB in line and line.startswith("octo/a")] == ["issues"]
        assert [line for line in lines if line.startswith(f"1 repository: waiting for job {OTHER_JOB}")]

    async def test_the_table_has_a_row_for_everything(self, operator: Operator) -> None:
        job_id = await operator.halfway()
        said = await operator("status", "acme")
        assert (said.exit_code, said.err) == (0, "")
        lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
        assert lines[0].startswith("Waiting for GitHub until ")
        assert lines[1] == f"Backfill {job_id} of acme"
        assert lines[2].endswith(": pull requests, issues")
        assert lines[3].startswith("add-on: 365 days, active, bought 2026-11-01")
        assert "Octo/B pull requests failed 0" in lines
        failure = lines.index("Octo/B issues failed 0 gone: octo/b is gone [404] (remove it)")
        assert failure < min(number for number, line in enumerate(lines) if line.startswith("octo/a ")), (
            "failures first"
        )
        [done] = [line for line in lines if line.startswith("octo/a pull requests")]
        assert done.startswith("octo/a pull requests completed 100 100 2026-11-23 ")
        assert done.endswith(" proved by count: 100 of GitHub's 100")

    @pytest.mark.parametrize(
        ("told", "words"),
        [
            (
                {"polar_status": "past_due"},
                "; a payment is past due: Polar tries again, and the add-on stays until Polar revokes it",
            ),
            ({"cancel_at_period_end": True}, ", until 2026-12-01 00:00; canceled, ends then"),
            (
                {"pending_update": {"applies_at": "2026-12-24T00:00:00Z"}, "pending_days": 3650},
                "; 3650 days from 2026-12-24 00:00",
            ),
            ({"pending_update": {"applies_at": "2026-12-24T00:00:00Z"}}, "; another product from 2026-12-24"),
        ],
        ids=["past due", "canceled", "changes", "changes to another"],
    )
    async def test_what_is_going_to_become_of_the_addon_is_said(
        self, operator: Operator, told: dict[str, Any], words: str
    ) -> None:
        await operator.halfway()
        await operator.host.execute("update subscription_addons set metadata = $1", told)
        [line] = [each for each in (await operator("status", "acme")).out.splitlines() if each.startswith("add-on: ")]
        assert words in line

    @pytest.mark.parametrize(
        ("columns", "exit_code"),
        [
            ({"status": "pending"}, 0),
            ({"status": "in_progress", "failed_repositories": 1}, 0),
            *ENDS,
        ],
        ids=str,
    )
    async def test_the_exit_code_says_how_it_ended(
        self, operator: Operator, columns: dict[str, Any], exit_code: int
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, **columns)
        for arguments in (["status", str(job_id)], ["status", str(job_id), "--json"]):
            said = await operator(*arguments)
            assert (said.exit_code, said.err) == (exit_code, "")

    async def test_a_workspace_is_its_latest_job(self, operator: Operator) -> None:
        await operator.start()
        latest = await operator.start()
        for reference in ("acme", operator.workspace_id):
            assert json.loads((await operator("status", reference, "--json")).out)["id"] == str(latest["id"])

    async def test_markup_in_names_is_shown_and_not_obeyed(self, operator: Operator) -> None:
        await operator.host.execute("update workspaces set name = '[red]x[/] :boom: [/'")
        await operator.start()
        assert "[red]x[/] :boom: [/" in (await operator("status", "acme")).out

    async def test_the_json_is_what_the_api_answers(self, operator: Operator) -> None:
        job_id = await operator.halfway()
        said = json.loads((await operator("status", str(job_id), "--json")).out)
        async with world.serving_api(operator.environment["DATABASE_URL"]) as api:
            answered = (await api.ask("GET", f"/api/backfills/{job_id}", token=world.SERVICE)).json
        for each in (said, answered):
            assert each.keys() >= MOVING
        # Between two looks the time has moved.
        assert {name: value for name, value in said.items() if name not in MOVING} == {
            name: value for name, value in answered.items() if name not in MOVING
        }


@pytest.mark.parametrize(
    ("read", "answered", "kept_back"),
    [
        (views.JobView, models.Backfill, {"paused_by"}),
        (views.RepositoryView, models.RepositoryProgress, set()),
        (views.TypeView, models.TypeProgress, set()),
        (views.AddonView, models.Addon, set()),
        (Waiting, models.Waiting, {"job_id"}),
    ],
)
def test_an_answer_has_every_field_that_is_read_but_what_is_kept_back(
    read: type[BaseModel], answered: type[BaseModel], kept_back: set[str]
) -> None:
    shown = {name for name, field in read.model_fields.items() if not field.exclude}
    assert shown - answered.model_fields.keys() == kept_back
    assert answered.model_fields.keys() <= shown
