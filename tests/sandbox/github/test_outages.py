"""GitHub away, and back: whatever is asked meanwhile gets no answer, and is counted."""

import http.client
from typing import Any

import pytest

from sandbox.github.faults.outages import Way
from tests.support.sandbox.client import Client

VIEWER = b'{"query": "{ viewer { login } }"}'
NO_ANSWER: dict[Way, type[Exception] | tuple[type[Exception], ...]] = {
    "refused": ConnectionRefusedError,
    "reset": (ConnectionError, http.client.HTTPException),
    "hangs": TimeoutError,
    "endless": TimeoutError,
}


def ask(client: Client) -> Any:
    return client.send("POST", "/graphql", VIEWER, timeout=1)


@pytest.mark.parametrize("way", NO_ANSWER)
def test_while_github_is_away_nobody_gets_an_answer(way: Way, client: Client) -> None:
    for _ in range(2):
        outage = client.github.begin_outage(way)
        for send in (lambda: ask(client), lambda: client.send("GET", "/user", timeout=1)):
            with pytest.raises(NO_ANSWER[way]):
                send()
        assert outage.requests == (0 if way == "refused" else 2)
        client.github.end_outage()
        assert client.ask("{ viewer { login } }").data


def test_an_outage_of_502(client: Client) -> None:
    outage = client.github.begin_outage()
    assert [ask(client).status, client.get("/user").status] == [502, 502]
    assert outage.requests == 2
    assert [entry.status for entry in client.github.log] == [502, 502]
    assert client.get("/archive/2026-03-01-9.json.gz").status == 200
    client.github.end_outage()
    client.github.end_outage()
    assert ask(client).status == 200
    assert outage.requests == 2


def test_a_connection_that_is_open_when_github_goes_is_dropped(client: Client) -> None:
    host, _, port = client.github.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    given = {"Authorization": "bearer token", "User-Agent": "tests"}
    connection.request("GET", "/user", headers=given)
    connection.getresponse().read()
    client.github.begin_outage("refused")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.request("GET", "/user", headers=given)
        connection.getresponse()
    connection.close()
    assert client.github.url == f"http://{host}:{port}"
