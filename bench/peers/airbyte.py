"""airbyte-source-github: GraphQL for reviews and for a pull request's numbers, REST's lists for everything else.

It reads threads' events as `issue_events`, 100 in a request; these have no cross-references. Its
`issue_timeline_events` keep only one event of each kind for a thread, and each costs a request. It identifies
reviews by `databaseId`, which GitHub does not give above 32 bits.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.peers.peer import Found, Peer
from bench.stage import TOKEN, Case
from messages import DataType

PAGE_SIZE = 100
"""Its best size if GitHub answers at once: 1,060 points for 1,000 pull requests, against 1,320 with its default of 10.
1,000 of these points are for counts of review comments, at any size."""
PACED_PAGE_SIZE = 50
"""Its best size if GitHub takes its time: counting 100 takes over 8 s, after which GitHub omits the rest with an error,
and on any error it waits for the next hour's budget."""
STREAMS: dict[DataType, tuple[str, ...]] = {
    "pull_requests": (
        "pull_requests",
        "pull_request_stats",
        "reviews",
        "review_comments",
        "comments",
        "issue_events",
    ),
    "issues": ("issues", "comments", "issue_events"),
}
NOUNS = {
    "pull_requests": "pull_requests",
    "issues": "issues",
    "reviews": "reviews",
    "review_comments": "review_comments",
    "comments": "comments",
    "issue_events": "timeline_events",
}


class Airbyte(Peer):
    package = "airbyte-source-github"

    def commands(self, programs: Path, directory: Path, url: str, case: Case) -> list[list[str | Path]]:
        config, catalog = directory / "config.json", directory / "catalog.json"
        settings = {
            "credentials": {"personal_access_token": TOKEN},
            "repositories": [each.name for each in case.plans],
            "api_url": url,
            "page_size_for_large_streams": PACED_PAGE_SIZE if case.pace else PAGE_SIZE,
        }
        config.write_text(json.dumps(settings))
        streams = [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "overwrite",
            }
            for name in dict.fromkeys(name for each in case.data_types for name in STREAMS[each])
        ]
        catalog.write_text(json.dumps({"streams": streams}))
        return [[programs / "source-github", "read", "--config", config, "--catalog", catalog]]

    def found(self, line: Mapping[str, Any]) -> Iterator[Found]:
        if line["type"] == "RECORD" and (noun := NOUNS.get(line["record"]["stream"])):
            data = line["record"]["data"]
            yield Found(noun, data["node_id"], data.get("id"))
