"""A small world behind a real socket, and the least of clients: what the stand-in sends is looked at as it comes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.github import Clock, StandIn, World
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.client import Client

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(START, stopped=True)


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)


@pytest.fixture
def repository(world: World) -> Repository:
    """octo/hello: pull requests 1 to 5 and issues 6 to 10, a minute apart, each with two comments and a label."""
    made = world.add_repository("octo/hello", created_at="2026-01-01T00:00:00Z")
    ann, bob = world.account("ann"), world.account("bob")
    for number in range(1, 11):
        at = f"2026-02-01T00:{number:02}:00Z"
        if number <= 5:
            thread: Any = made.open_pull_request(ann, f"Pull {number}", "body", created_at=at)
        else:
            thread = made.open_issue(ann, f"Issue {number}", "body", created_at=at)
        for place in range(2):
            thread.comment(bob, f"comment {place} on {number}", at=at, bump=False)
        thread.labels.append(made.label("bug"))
        thread.event("LabeledEvent", bob, at=at, bump=False, label=made.label("bug"))
    return made


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Starts a stand-in for a world, and ends it with the test; what it failed at fails the test."""
    running: list[StandIn] = []

    def start(world: World, **options: Any) -> Client:
        github = StandIn(world, **options)
        github.start()
        running.append(github)
        return Client(github, next(iter(github.tokens)))

    yield start
    for github in running:
        github.__exit__(None, None, None)


@pytest.fixture
def client(world: World, repository: Repository, serve: Callable[..., Client]) -> Client:
    """A client of a stand-in for octo/hello."""
    assert repository.name_with_owner == "octo/hello"
    return serve(world)
