"""The stand-in as a server: its log, its control routes, and as a process of its own."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.github import Limits, StandIn, World
from sandbox.github.faults import Held
from sandbox.github.world.repositories import Repository
from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[3]
QUERY = """query List($first: Int!, $after: String) { repository(owner: "octo", name: "hello") {
    pullRequests(first: $first, after: $after) { pageInfo { endCursor } nodes { number } } } }"""


def test_every_request_is_logged(client: Any) -> None:
    reply = client.ask(QUERY, first=2)
    after = reply.data["repository"]["pullRequests"]["pageInfo"]["endCursor"]
    client.ask(QUERY, first=2, after=after)
    client.get("/repos/octo/hello/issues/comments?per_page=5&page=3")
    client.ask('{ repository(owner: "no", name: "where") { id } }')
    client.ask("{ nonsense }")
    client.ask("{ viewer { login } }", {"Authorization": "bearer wrong"})
    log = client.github.log
    assert [entry.sequence for entry in log] == [1, 2, 3, 4, 5, 6]
    assert [entry.kind for entry in log] == ["graphql", "graphql", "rest", "graphql", "graphql", "graphql"]
    assert [entry.operation for entry in log] == ["List", "List", "", "", "", ""]
    assert [entry.after for entry in log] == [None, after, "3", None, None, None]
    assert [entry.status for entry in log] == [200, 200, 200, 200, 200, 401]
    assert [entry.account for entry in log] == ["viewer"] * 5 + [""]
    assert [entry.errors for entry in log] == [(), (), (), ("NOT_FOUND",), ("ERROR",), ()]
    assert (log[0].cost, log[0].node_count, log[0].page_size) == (1, 2, 2)
    assert log[0].variables == {"first": 2}
    assert log[0].size == len(reply.body)
    assert log[2].path == "/repos/octo/hello/issues/comments?per_page=5&page=3"
    assert all(0 < entry.seconds < 1 for entry in log)


def test_control_routes(client: Any) -> None:
    client.ask(QUERY, first=2)
    client.get("/user")
    anonymous = {"Authorization": "", "User-Agent": ""}
    log = client.get("/_stand-in/log", anonymous).json
    assert [entry["operation"] for entry in log] == ["List", ""]
    assert [entry["sequence"] for entry in client.get("/_stand-in/log?since=1", anonymous).json] == [2]
    stats = client.get("/_stand-in/stats").json
    assert stats["requests"] == {"graphql": 1, "rest": 1}
    assert stats["points"] == {"graphql": 1, "rest": 1}
    assert stats["repositories"]["octo/hello"]["pull_requests"] == 5
    wanted = {"effect": "BadGateway", "json": True, "times": 1, "operation": "List"}
    assert client.send("POST", "/_stand-in/faults", orjson.dumps(wanted)).status == 201
    (described,) = client.get("/_stand-in/faults").json
    assert (described["operation"], "BadGateway" in described["effect"]) == ("List", True)
    assert client.ask(QUERY, first=2).status == 502
    assert client.get("/_stand-in/faults").json == []
    wanted = {"effect": "NullNode", "asking": ["timelineItems"], "times": None}
    assert client.send("POST", "/_stand-in/faults", orjson.dumps(wanted)).status == 201
    assert client.send("DELETE", "/_stand-in/faults").status == 200
    assert client.get("/_stand-in/faults").json == []
    for wrong in ({"effect": "Nothing"}, {"effect": "Latency", "hours": 1}, {}):
        assert client.send("POST", "/_stand-in/faults", orjson.dumps(wrong)).status == 400
    assert client.get("/_stand-in/nothing").status == 404
    client.send("DELETE", "/_stand-in/log")
    assert client.get("/_stand-in/log").json == []


def test_answers_are_never_half_old(client: Any, repository: Repository) -> None:
    """A page shows a thread's title and its renaming together or not at all."""
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) { title
        timelineItems(last: 1, itemTypes: [RENAMED_TITLE_EVENT]) { nodes { ... on RenamedTitleEvent { currentTitle } } }
    } } }"""
    stop = threading.Event()

    def rename() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            repository.issue(6).edit(title=f"title {number}")

    repository.issue(6).edit(title="title 0")
    thread = threading.Thread(target=rename)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(30):
            issue = client.ask(query).data["repository"]["issue"]
            (event,) = issue["timelineItems"]["nodes"]
            assert event["currentTitle"] == issue["title"]
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()


def test_many_at_once(world: World, repository: Repository, serve: Callable[..., Any]) -> None:
    client = serve(world)
    client.github.faults.add(held := Held(), times=None)
    threads = [threading.Thread(target=client.ask, args=("{ viewer { login } }",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: held.waiting == 20)
    held.release()
    for thread in threads:
        thread.join()
    assert [entry.status for entry in client.github.log] == [200] * 20
    assert repository.pull_requests


def test_a_context(world: World) -> None:
    with StandIn(world, tokens={"a": "ann"}, limits=Limits(graphql=7)) as github:
        assert github.url.startswith("http://127.0.0.1:")
        assert github.budget("ann").window("graphql").limit == 7
    with pytest.raises(OSError, match="address"), StandIn(world) as first:
        StandIn(world, port=int(first.url.rpartition(":")[2])).start()


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox.github", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_as_a_process(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    plan = "octo/made?pull_requests=7&issues=3&seed=2"
    process = run("--port-file", str(port_file), "--generate", plan, "--token", "t=ann", "--latency-ms", "1")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.endswith(f":{port_file.read_text()}")
        script = (
            "import sys, urllib.request as u; r = u.Request(sys.argv[1] + '/repos/octo/made', "
            "headers={'Authorization': 'token t'}); print(u.urlopen(r).read().decode())"
        )
        answer = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
        assert orjson.loads(answer.stdout)["full_name"] == "octo/made"
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--generate", "octo"), "is not owner/name"),
        (("--generate", "octo/n?moons=1"), "'moons' is none of"),
        (("--export", "nowhere.json.gz"), "nowhere.json.gz"),
        (("--end", "tomorrow"), "tomorrow"),
        (("--port", "x"), "--port"),
    ],
)
def test_bad_arguments(arguments: tuple[str, ...], words: str) -> None:
    process = run(*arguments)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert words in errors
    assert "Traceback" not in errors
