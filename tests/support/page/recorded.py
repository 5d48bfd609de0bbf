"""Serves recorded answers: the page in each of its states, without a database.

    python -m tests.support.page.recorded

The token in the address chooses the state. `http://127.0.0.1:8090/#fetching` links to all states.
"""

import argparse
import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from aiohttp import web

from messages import DATA_TYPES
from page.routes import Page

NOW = datetime.now(UTC).replace(microsecond=0)
WORKSPACE = str(uuid5(NAMESPACE_URL, "workspace"))
JOB = str(uuid5(NAMESPACE_URL, "job"))
NAMES = (
    "octo-org/handbook",
    "octo-org/server",
    "octo-org/website",
    "octo-org/ios-app",
    "octo-org/android-app",
    "octo-org/design-system",
    "octo-org/infrastructure",
    "octo-org/docs",
    "octo-org/a-repository-with-a-rather-long-name-as-they-come",
    "octo-org/sdk-python",
    "octo-org/sdk-go",
    "octo-org/sdk-rust",
    "octo-org/legacy",
    "octo-org/.github",
)
Json = dict[str, Any]


def at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat()


def sentence(state: str, text: str, **times: str) -> Json:
    return {"state": state, "text": text, "times": times}


def part(data_type: str, status: str, stored: int, expected: int | None, **more: Any) -> Json:
    return {
        "data_type": data_type,
        "status": status,
        "stored": stored,
        "expected": expected,
        "counts": {data_type: stored, **({"comments": 3 * stored} if data_type == "issues" else {})},
        "as_of": at(minutes=3) if status == "completed" else None,
        "proof": None,
        "error": None,
        "notes": [],
        "unshown": None,
        "recent_done": status == "completed",
        **more,
    }


def repository(name: str, status: str, types: list[Json], **more: Any) -> Json:
    return {
        "repository_id": str(uuid5(NAMESPACE_URL, name)),
        "full_name": name,
        "status": status,
        "error": None,
        "started_at": at(minutes=20),
        "completed_at": at(minutes=3) if status == "completed" else None,
        "waiting": None,
        "waiting_until": None,
        "cancel_requested": False,
        "types": types,
        **more,
    }


def repository_at(name: str, done: float) -> Json:
    """Returns a repository of which `done`, a fraction, is stored."""
    size = 100 + sum(map(ord, name)) * 7 % 4_000
    sizes = [size, size * 2, size // 5, size * 3, size * 3 + size // 5]
    types = []
    for index, (data_type, expected) in enumerate(zip(DATA_TYPES, sizes, strict=True)):
        share = min(1.0, max(0.0, done * 1.6 - index * 0.15))
        status = "completed" if share >= 1 else "in_progress" if share > 0 else "pending"
        known = None if status == "pending" and index > 2 else expected
        types.append(part(data_type, status, int(expected * share), known, recent_done=share > 0.3))
    ended = all(each["status"] == "completed" for each in types)
    return repository(name, "completed" if ended else "in_progress" if done > 0 else "pending", types)


def job(status: str, headline: Json, repositories: list[Json], **more: Any) -> Json:
    types = [types_over(data_type, repositories) for data_type in DATA_TYPES]
    stored = sum(each["stored"] for each in types)
    expected = sum(each["expected"] or 0 for each in types)
    unknown = any(each["expected"] is None for each in types)
    ended = status in ("completed", "failed", "canceled")
    return {
        "id": JOB,
        "workspace_id": WORKSPACE,
        "workspace_name": "Octo Engineering",
        "workspace_slug": "octo",
        "status": status,
        "attempt": 0,
        "requested_by": "purchase",
        "retention_days": 1825,
        "cutoff_at": at(days=1825),
        "data_types": list(DATA_TYPES),
        "total_repositories": len(repositories),
        "completed_repositories": sum(each["status"] == "completed" for each in repositories),
        "failed_repositories": sum(each["status"] == "failed" for each in repositories),
        "created_at": at(minutes=21),
        "started_at": None if status == "pending" else at(minutes=20),
        "completed_at": at(minutes=3) if ended else None,
        "cancel_requested_at": None,
        "paused_at": None,
        "retries_waiting": 0,
        "error_message": None,
        "as_of": at(),
        "eta": None,
        "waiting": None,
        "waiting_until": None,
        "addon": ADDON,
        "unshown": 0,
        "repositories": repositories,
        "headline": headline,
        "progress": {
            "percent": None if unknown else 100 * stored / expected,
            "stored": stored,
            "expected": None if unknown else expected,
        },
        "types": types,
        "time_left": None,
        "time_left_reason": None,
        **more,
    }


def types_over(data_type: str, repositories: list[Json]) -> Json:
    parts = [each for it in repositories for each in it["types"] if each["data_type"] == data_type]
    expected = None if any(each["expected"] is None for each in parts) else sum(each["expected"] for each in parts)
    stored = sum(each["stored"] for each in parts)
    statuses = [each["status"] for each in parts]
    names = ("completed", "failed", "running", "waiting", "pending", "skipped")
    counts = {name: statuses.count("in_progress" if name == "running" else name) for name in names}
    status = (
        "completed"
        if set(statuses) <= {"completed", "skipped"}
        else "failed"
        if "failed" in statuses
        else "in_progress"
    )
    return {
        "data_type": data_type,
        "status": status,
        "percent": min(100.0, 100 * stored / expected) if expected else None,
        "stored": stored,
        "expected": expected,
        "repositories": counts,
    }


ADDON = {
    "retention_days": 1825,
    "status": "active",
    "purchased_at": at(days=40),
    "expires_at": at(days=-20),
    "past_due": False,
    "renews": True,
    "changes_at": None,
    "changes_to_days": None,
}


def running(share: float = 0.62) -> list[Json]:
    return [repository_at(name, share * (1.9 - index * 0.12)) for index, name in enumerate(NAMES)]


def complete() -> list[Json]:
    return [repository_at(name, 1) for name in NAMES]


def fail(each: Json, data_type: str, message: str, what_to_do: str, code: str = "forbidden") -> None:
    for it in each["types"]:
        if it["data_type"] == data_type:
            error = {
                "code": code,
                "message": message,
                "action": what_to_do,
                "what_to_do": what_to_do,
                "at": at(minutes=5),
            }
            it.update(
                status="failed",
                stored=it["stored"] * 2 // 5,
                recent_done=False,
                error={
                    "error_class": "part_over",
                    "repository": each["full_name"],
                    "data_type": data_type,
                    "cursor": None,
                    **error,
                },
                as_of=None,
            )
    each.update(status="failed", error=f"{data_type}: {message}")


def fetching() -> Json:
    headline = sentence("fetching", "Fetching 5 years of history: 62 %, done about {eta}", eta=at(minutes=-24))
    reason = sentence(
        "fetching",
        "at the pace of the last minutes, with a wait for GitHub's hourly budget until {until}",
        until=at(minutes=-11),
    )
    return job(
        "in_progress", headline, running(), time_left={"from_seconds": 1080, "to_seconds": 1860, "reason": reason}
    )


def beginning() -> Json:
    headline = sentence("fetching", "Fetching 5 years of history: counting what there is")
    reason = sentence("fetching", "GitHub has not told yet how much there is")
    return job("in_progress", headline, running(0.1), time_left_reason=reason)


def queued() -> Json:
    repositories = [repository_at(name, 0) for name in NAMES]
    return job("pending", sentence("queued", "Waiting to begin: 5 years of history of 14 repositories"), repositories)


def waiting() -> Json:
    repositories = running(0.4)
    for each in repositories:
        if each["status"] == "in_progress":
            each["waiting"] = {
                "reason": "github_limit",
                "since": at(minutes=4),
                "until": at(minutes=-11),
                "detail": "its hourly budget is used up",
                "data_types": [],
            }
    headline = sentence(
        "waiting", "Waiting for GitHub until {until} (its hourly budget is used up)", until=at(minutes=-11)
    )
    reason = sentence("waiting", "most of it is the wait for GitHub until {until}", until=at(minutes=-11))
    return job(
        "in_progress", headline, repositories, time_left={"from_seconds": 2400, "to_seconds": 3900, "reason": reason}
    )


def paused() -> Json:
    repositories = running(0.5)
    for each in repositories:
        if each["status"] == "in_progress":
            each["waiting"] = {
                "reason": "paused",
                "since": at(minutes=4),
                "until": None,
                "detail": "",
                "data_types": [],
            }
    headline = sentence("paused", "Paused since {since}, at 51 %", since=at(minutes=4))
    return job(
        "in_progress",
        headline,
        repositories,
        paused_at=at(minutes=4),
        time_left_reason=sentence("paused", "it is paused"),
    )


def stopping() -> Json:
    headline = sentence("stopping", "Stopping: it ends at the next page")
    return job("in_progress", headline, running(), cancel_requested_at=at(seconds=4))


def completed() -> Json:
    return job("completed", sentence("completed", "Complete as of {as_of}", as_of=at(minutes=3)), complete())


def noted() -> Json:
    repositories = complete()
    thing = {
        "repository": NAMES[1],
        "data_type": "issues",
        "number": 812,
        "what": "comments",
        "kind": "hidden",
        "count": 2,
        "words": "",
        "since": at(days=2),
        "last_seen_at": at(),
    }
    repositories[1]["types"][1]["unshown"] = {
        "things": 3,
        "by_kind": {},
        "which": [
            thing,
            {**thing, "number": 911, "kind": "refused", "count": 1, "words": "Resource not accessible by integration"},
        ],
        "more": 0,
    }
    repositories[4]["types"][3]["notes"] = [
        "stars: counts only; GitHub shows stargazers to nobody without write access"
    ]
    headline = sentence(
        "completed_with_notes", "Complete as of {as_of}, 3 things GitHub does not show", as_of=at(minutes=3)
    )
    return job("completed", headline, repositories, unshown=3)


def partly_failed() -> Json:
    repositories = complete()
    fail(
        repositories[3],
        "issues",
        "GitHub refuses this repository's issues: Resource not accessible by personal access token (403)",
        "Give the token access to the repository's issues, then retry.",
    )
    fail(
        repositories[3],
        "discussions",
        "GitHub refuses this repository's discussions (403)",
        "Give the token access to discussions, then retry.",
    )
    for data_type in DATA_TYPES:
        fail(
            repositories[12],
            data_type,
            "The repository is gone: GitHub knows no octo-org/legacy (404)",
            "Remove it from the workspace, or restore it on GitHub and retry.",
            "gone",
        )
    headline = sentence(
        "partly_failed", "Failed for 2 of 14 repositories, complete for 12 as of {as_of}", as_of=at(minutes=3)
    )
    return job("completed", headline, repositories, error_message="2 of 14 repositories failed")


def failed() -> Json:
    repositories = [repository_at(name, 0.1) for name in NAMES]
    for each in repositories:
        fail(
            each,
            "issues",
            "GitHub accepts none of the tokens (401)",
            "Set a valid GITHUB_TOKENS for the workers, then retry.",
            "bad_credentials",
        )
    return job(
        "failed",
        sentence("failed", "Failed for all 14 repositories: GitHub accepts none of the tokens"),
        repositories,
        error_message="GitHub accepts none of the tokens.",
    )


def canceled() -> Json:
    repositories = running(0.5)
    for each in repositories:
        if each["status"] != "completed":
            each["status"] = "canceled"
            for it in each["types"]:
                it["status"] = "completed" if it["status"] == "completed" else "canceled"
    return job(
        "canceled", sentence("canceled", "Canceled at {at}; what was stored stays", at=at(minutes=3)), repositories
    )


def past_due() -> Json:
    addon = {**ADDON, "past_due": True, "renews": False, "changes_at": at(days=-20), "changes_to_days": 365}
    return fetching() | {"addon": addon}


def many() -> Json:
    names = [f"octo-{index % 7}/repository-{index:04}" for index in range(1_000)]
    repositories = [repository_at(name, (index % 100) / 80) for index, name in enumerate(names)]
    for index in range(3, 1_000, 97):
        fail(
            repositories[index],
            "issues",
            "GitHub refuses this repository's issues (403)",
            "Give the token access, then retry.",
        )
    headline = sentence("fetching", "Fetching 5 years of history: 61 %, done about {eta}", eta=at(minutes=-240))
    return job("in_progress", headline, repositories)


STATES: dict[str, Callable[[], Json] | None] = {
    each.__name__: each
    for each in (
        fetching,
        beginning,
        queued,
        waiting,
        paused,
        stopping,
        completed,
        noted,
        partly_failed,
        failed,
        canceled,
        past_due,
        many,
    )
}
STATES |= {"viewer": fetching, "flaky": fetching, "expired": fetching, "live": fetching, "none": None, "unbought": None}


def chart() -> Json:
    buckets = []
    for index in range(40):
        quiet = 18 <= index < 24
        rows = {} if quiet else {each: (index * 37 + place * 113) % 400 + 60 for place, each in enumerate(DATA_TYPES)}
        buckets.append({"at": at(seconds=20 * 60 - index * 30), "rows": rows})
    waits = [{"from": at(seconds=20 * 60 - 18 * 30), "until": at(seconds=20 * 60 - 24 * 30), "reason": "github_limit"}]
    return {"bucket_seconds": 30, "buckets": buckets, "waits": waits}


def timeline() -> Json:
    def event(kind: str, text: str, minutes: float, who: str | None = None, name: str | None = None) -> Json:
        return {
            "at": at(minutes=minutes),
            "kind": kind,
            "text": sentence(kind, text, until=at(minutes=-11)),
            "who": who,
            "repository": name,
        }

    return {
        "events": [
            event("repository_completed", "octo-org/website is complete", 3, name="octo-org/website"),
            event(
                "repository_failed",
                "octo-org/ios-app failed: GitHub refuses its issues (403)",
                5,
                name="octo-org/ios-app",
            ),
            event("resumed_from_wait", "Went on after a wait of 3 minutes for GitHub", 8),
            event("waiting", "Waited for GitHub until {until} (its hourly budget is used up)", 11),
            event("resumed", "Resumed", 14, "a member"),
            event("paused", "Paused", 16, "a member"),
            event("started", "Began with 14 repositories", 20),
            event("bought", "1,825 days of Extended Data Retention were bought", 21, "the owner"),
        ]
    }


def history(shown: Json) -> Json:
    def entry(index: int, headline: Json, status: str) -> Json:
        return {
            "id": JOB if index == 0 else str(uuid5(NAMESPACE_URL, f"job {index}")),
            "status": status,
            "headline": headline,
            "requested_by": ["purchase", "api", "operator"][index],
            "retention_days": [1825, 365, 365][index],
            "data_types": list(DATA_TYPES),
            "created_at": at(days=index * 13, minutes=21),
            "started_at": at(days=index * 13, minutes=20),
            "completed_at": at(days=index * 13, minutes=2) if index else None,
            "total_repositories": 14,
            "failed_repositories": 0,
            "rows_stored": 81_223 // (index + 1),
            "attempt": index,
        }

    return {
        "backfills": [
            entry(0, shown["headline"], shown["status"]),
            entry(
                1,
                sentence("completed_with_notes", "Complete as of {at}, 1 thing GitHub does not show", at=at(days=13)),
                "completed",
            ),
            entry(2, sentence("completed", "Complete as of {at}", at=at(days=26)), "completed"),
        ],
        "next": None,
    }


class Recorded:
    """Answers as the API does, in the state that the token names."""

    def __init__(self) -> None:
        self.streams = 0
        self.looks = 0
        self.asked: list[tuple[str, Any]] = []

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self.index)
        app.router.add_get("/api/workspaces/{id}", self.workspace)
        app.router.add_get("/api/workspaces/{id}/backfills", self.answer(lambda state: history(state())))
        app.router.add_get("/api/backfills/{id}/timeline", self.answer(lambda _state: timeline()))
        app.router.add_get("/api/backfills/{id}/chart", self.answer(lambda _state: chart()))
        app.router.add_get("/api/backfills/{id}/events", self.events)
        app.router.add_post("/api/{path:.*}", self.change)

    async def index(self, _request: web.Request) -> web.Response:
        path = f"/workspaces/{WORKSPACE}/settings/data-retention"
        links = "".join(
            f'<li><a href="{path}#access_token={state}">{state}</a>' for state in [*STATES, "stranger", "bad"]
        )
        return web.Response(text=f"<!doctype html><ul>{links}</ul>", content_type="text/html")

    def answer(self, make: Callable[[Callable[[], Json]], Json]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            state = STATES.get(token_of(request.headers))
            return web.json_response(make(state)) if state else refusal(404)

        return handle

    async def workspace(self, request: web.Request) -> web.Response:
        token = token_of(request.headers)
        self.looks += token == "expired"
        if token == "bad" or (token == "expired" and self.looks % 2 == 0):
            return refusal(401)
        if token not in STATES:
            return refusal(404)
        role = "viewer" if token == "viewer" else "owner"
        latest = None if STATES[token] is None else JOB
        addon = None if token == "unbought" else ADDON
        return web.json_response(
            {
                "id": str(UUID(request.match_info["id"])),
                "name": "Octo Engineering",
                "slug": "octo",
                "role": role,
                "may_change": role == "owner",
                "addon": addon,
                "latest_job_id": latest,
            }
        )

    async def change(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, json.loads(await request.text() or "null")))
        return web.json_response({"job_id": JOB}, status=202)

    async def events(self, request: web.Request) -> web.StreamResponse:
        token = token_of(request.headers)
        make = STATES.get(token)
        if make is None:
            return refusal(404)
        self.streams += 1
        if token == "flaky" and self.streams % 2 == 0:
            return refusal(503)
        state = make()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        await send(response, "snapshot", {"version": "1", "job": state}, "1")
        if token in ("flaky", "expired"):
            await asyncio.sleep(1)
            if token == "expired":
                await send(response, "end", {"reason": "access_ended"})
            return response
        if state["status"] in ("completed", "failed", "canceled"):
            await send(response, "end", {"reason": "job_ended", "status": state["status"], "attempt": 0})
            return response
        if token == "live":
            await live(response, state)
        while True:
            await asyncio.sleep(10)
            await response.write(b":\n\n")


async def live(response: web.StreamResponse, state: Json) -> None:
    """Streams a backfill that comes to its end, with a repository that fails."""
    for step in range(12):
        await asyncio.sleep(0.5)
        share = 0.62 + step * 0.05
        repositories = running(share) if step < 11 else partly_failed()["repositories"]
        known = {each["repository_id"]: each for each in state["repositories"]}
        changed = [each for each in repositories if known[each["repository_id"]] != each]
        ended = step == 11
        last = (
            partly_failed()
            if ended
            else job(
                "in_progress", sentence("fetching", f"Fetching 5 years of history: {int(share * 100)} %"), repositories
            )
        )
        for each in changed:
            await send(response, "repository", each)
        state = copy.deepcopy(last)
        await send(
            response, "job", {name: value for name, value in last.items() if name != "repositories"}, str(step + 2)
        )
    await send(response, "end", {"reason": "job_ended", "status": "completed", "attempt": 0})


async def send(response: web.StreamResponse, name: str, data: Json, version: str | None = None) -> None:
    last = f"id: {version}\n" if version else ""
    await response.write(f"event: {name}\n{last}data: {json.dumps(data)}\n\n".encode())


def token_of(headers: Mapping[str, str]) -> str:
    return headers.get("Authorization", "").removeprefix("Bearer ")


def refusal(status: int) -> web.Response:
    return web.json_response({"error": {"code": "refused", "message": "refused"}}, status=status)


def application() -> web.Application:
    app = web.Application()
    Page().add_to(app)
    Recorded().add_to(app)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    web.run_app(application(), host="127.0.0.1", port=parser.parse_args().port)
