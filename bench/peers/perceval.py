"""perceval: REST only, with about four requests for a pull request and one for a thread with comments. It reads no
events.

It takes comments on pull requests for comments on issues, so both of its categories run for pull requests.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.peers.peer import Found, Peer
from bench.stage import TOKEN, Case
from messages import DataType

CATEGORIES: dict[DataType, tuple[str, ...]] = {"pull_requests": ("pull_request", "issue"), "issues": ("issue",)}


class Perceval(Peer):
    package = "perceval"
    reads_many = False

    def commands(self, programs: Path, directory: Path, url: str, case: Case) -> list[list[str | Path]]:
        del directory
        how = ("--enterprise-url", url, "--api-token", TOKEN, "--no-archive", "--json-line")
        categories = dict.fromkeys(name for each in case.data_types for name in CATEGORIES[each])
        return [
            [programs / "perceval", "github", "--category", category, *plan.name.split("/"), *how]
            for plan in case.plans
            for category in categories
        ]

    def found(self, line: Mapping[str, Any]) -> Iterator[Found]:
        data = line["data"]
        if line["category"] == "pull_request":
            parts = {"pull_requests": [data], "reviews": data["reviews_data"]}
            parts["review_comments"] = data["review_comments_data"]
        else:
            parts = {"issues": [] if "pull_request" in data else [data], "comments": data["comments_data"]}
        for noun, things in parts.items():
            yield from (Found(noun, each["node_id"], each["id"]) for each in things)
