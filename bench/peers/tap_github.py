"""meltanolabs-tap-github: REST only, with one request for the reviews of each pull request, and the repository's lists
for everything else. Its `issue_events` have no cross-references, and it does not read timelines.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.peers.peer import HERE, Found, Peer
from bench.stage import TOKEN, Case
from messages import DataType

STREAMS: dict[DataType, tuple[str, ...]] = {
    "pull_requests": ("pull_requests", "reviews", "review_comments", "issue_comments", "issue_events"),
    "issues": ("issues", "issue_comments", "issue_events"),
}
NOUNS = {
    "pull_requests": "pull_requests",
    "issues": "issues",
    "reviews": "reviews",
    "review_comments": "review_comments",
    "issue_comments": "comments",
    "issue_events": "timeline_events",
}


class TapGitHub(Peer):
    package = "meltanolabs-tap-github"

    def commands(self, programs: Path, directory: Path, url: str, case: Case) -> list[list[str | Path]]:
        config = directory / "config.json"
        settings = {"auth_token": TOKEN, "repositories": [each.name for each in case.plans], "api_url_base": url}
        config.write_text(json.dumps(settings))
        # -P: beside the script lies a module with the tool's name.
        streams = dict.fromkeys(name for each in case.data_types for name in STREAMS[each])
        return [[programs / "python", "-P", HERE / "run_tap_github.py", config, *streams]]

    def found(self, line: Mapping[str, Any]) -> Iterator[Found]:
        if line["type"] == "RECORD" and (noun := NOUNS.get(line["stream"])):
            yield Found(noun, line["record"]["node_id"], line["record"]["id"])
