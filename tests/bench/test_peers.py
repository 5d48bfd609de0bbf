"""Peers are judged by what they wrote, against what there is; none of them runs here."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import census
from bench.census import Share
from bench.log import Cost
from bench.peers.__main__ import CASES, PEERS
from bench.peers.airbyte import Airbyte
from bench.peers.measure import OURS, Measured
from bench.peers.peer import HERE, NotInstalledError, Peer, emitted
from bench.peers.perceval import Perceval
from bench.peers.report import document, judged, tables
from bench.peers.tap_github import TapGitHub
from bench.stage import Case
from sandbox.github import World, generation

CASE = Case("pull_requests", ("pull_requests",), 1)
WHOLE = {"pull_requests": Share(1_000, 1_000), "timeline_events": Share(5_000, 5_000)}
OWN = Measured(OURS, CASE, 1_000, WHOLE, Cost(40, 25, points=50), 9.0, 100_000_000)
PEER = Measured("airbyte-source-github", CASE, 1_000, WHOLE, Cost(40, 170, points=1_060), 23.0, 200_000_000)


def record(stream: str, node_id: str, key: int | None = 1) -> dict[str, Any]:
    return {"type": "RECORD", "record": {"stream": stream, "data": {"node_id": node_id, "id": key}}}


def test_what_a_peer_wrote_is_counted_once_by_node_id(tmp_path: Path) -> None:
    lines = [record("reviews", "a"), record("reviews", "a"), record("issue_events", "b"), {"type": "LOG", "log": {}}]
    lines += [record("pull_request_stats", "c"), record("reviews", "d", None)]
    output = tmp_path / "output.jsonl"
    output.write_text("no JSON\n" + "".join(json.dumps(line) + "\n" for line in lines))
    assert emitted(Airbyte(), output) == ({"reviews": {"a", "d"}, "timeline_events": {"b"}}, 1)


def test_each_peer_is_understood() -> None:
    singer = {"type": "RECORD", "stream": "issue_comments", "record": {"node_id": "a", "id": 1}}
    assert [*TapGitHub().found(singer)] == [("comments", "a", 1)]
    assert [*TapGitHub().found({"type": "STATE", "value": {}})] == []
    pull = {"node_id": "a", "id": 1, "reviews_data": [{"node_id": "b", "id": 2}], "review_comments_data": {}}
    found = [*Perceval().found({"category": "pull_request", "data": pull})]
    assert found == [("pull_requests", "a", 1), ("reviews", "b", 2)]
    issue = {"node_id": "a", "id": 1, "pull_request": {}, "comments_data": [{"node_id": "b", "id": 2}]}
    assert [*Perceval().found({"category": "issue", "data": issue})] == [("comments", "b", 2)]


def test_what_is_missing_and_what_was_not_asked_for() -> None:
    plan = generation.Plan("acme/rocket", pull_requests=5, issues=5)
    repository = generation.repository(World(), plan)
    wanted = census.wanted(repository, ["pull_requests"], census.node_id)
    found = census.wanted(repository, ["pull_requests", "issues"], census.node_id)
    shares = census.shares(wanted, found)
    assert all(share.whole for share in shares.values())
    assert "issues" not in shares
    found["reviews"].pop()
    del found["timeline_events"]
    shares = census.shares(wanted, found)
    assert (shares["reviews"], shares["timeline_events"].found) == (Share(21, 22), 0)


def test_twenty_times_the_best_that_was_measured() -> None:
    def missed(*found: Measured) -> list[str]:
        return [aim.what for aim in judged(found) if not aim.met]

    times = "pull_requests: complete pull requests per token and hour, times the best peer's"
    worse = replace(PEER, tool="perceval", cost=Cost(0, 4_254, points=0))
    assert missed(worse, PEER, OWN) == []
    assert missed(worse, PEER, replace(OWN, cost=Cost(90, 3, points=90))) == [times]
    assert missed(PEER, replace(OWN, error="reviews: 1 of 22 missing")) == [
        "pull_requests: this system is incomplete",
        times,
    ]
    assert missed(replace(PEER, error="ended with 1: no"), OWN) == ["pull_requests: peers that were not measured"]


def test_both_forms_of_the_report_name_what_could_not_be_measured() -> None:
    found = [replace(PEER, error="ended with 1: why"), replace(PEER, tool="perceval"), OWN]
    console = Console(width=200)
    with console.capture() as shown:
        console.print(tables(found, judged(found)))
    assert "ended with 1: why" in shown.get()
    measured = document(found, judged(found))["measured"]
    assert [each["complete"] for each in measured] == [False, True, True]
    assert not replace(PEER, without_key=1).complete


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: str(peer.package))
def test_a_peer_is_pinned_and_told_where_to_read(peer: Peer, tmp_path: Path) -> None:
    pinned = [each for each in (HERE / f"{peer.package}.txt").read_text().splitlines() if not each.startswith("#")]
    assert [each.partition("==")[0] for each in pinned] == [peer.package]
    for case in CASES:
        commands = peer.commands(tmp_path, tmp_path, "http://127.0.0.1:1", case)
        told = json.dumps([list(map(str, each)) for each in commands])
        told += "".join(each.read_text() for each in tmp_path.iterdir())
        assert "http://127.0.0.1:1" in told


@pytest.mark.parametrize("peer", [each for each in PEERS if each.reads_many], ids=lambda peer: str(peer.package))
def test_a_peer_is_told_of_each_small_repository_and_of_both_types(peer: Peer, tmp_path: Path) -> None:
    case = Case("small", ("pull_requests", "issues"), small=3)
    assert [each.name_with_owner for each in case.repositories()] == ["acme/r0000", "acme/r0001", "acme/r0002"]
    commands = peer.commands(tmp_path, tmp_path, "http://127.0.0.1:1", case)
    told = json.dumps([list(map(str, each)) for each in commands])
    told += "".join(each.read_text() for each in tmp_path.iterdir())
    assert all(each in told for each in ("acme/r0000", "acme/r0001", "acme/r0002", '"reviews"', '"issues"'))
    assert case.scaled(2).small == 6


def test_a_peer_that_cannot_be_installed_is_named_with_pips_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_python = tmp_path / "no-python"
    monkeypatch.setattr(sys, "executable", str(no_python))
    with pytest.raises(NotInstalledError, match="no-python"):
        Perceval().install(tmp_path)
