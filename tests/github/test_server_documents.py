"""Documents for one server: its schema is asked once, when it first refuses a document."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import execute_sync, parse

from errors import PartOver
from github.answers.reading import Answer
from github.answers.refusals import SchemaMismatch
from github.queries.documents import Request
from github.queries.server_schema import INTROSPECTION
from github.transport.server_documents import MOST_FITTINGS, ServerDocuments
from tests.support.github.lacking import lacking

SERVER = lacking({("PullRequest", "isDraft")}, set())
HEADS = Request("PullRequestHeads", {})
ERROR = {"message": "Field 'isDraft' doesn't exist on type 'PullRequest'", "extensions": {"code": "undefinedField"}}


def answer(data: Any) -> Answer:
    return Answer(data, datetime.now(UTC), 0.1)


class Server:
    """Refuses what asks for `isDraft`; tells its schema, or does not."""

    def __init__(self, *, tells: bool) -> None:
        self.tells = tells
        self.introspected = 0
        self.asked = 0
        self.documents = ServerDocuments(self.introspect)

    async def introspect(self) -> Answer:
        self.introspected += 1
        if not self.tells:
            raise PartOver("forbidden", "introspection is switched off")
        return answer(execute_sync(SERVER, parse(INTROSPECTION)).data)

    async def ask(self) -> Answer:
        self.asked += 1
        await asyncio.sleep(0)
        if "isDraft" in self.documents.fitted(HEADS).text:
            raise SchemaMismatch("PullRequestHeads", [ERROR])
        return answer({"nodes": [{"__typename": "PullRequest", "number": 7}]})


@pytest.mark.parametrize("tells", [True, False])
async def test_what_a_server_lacks_is_left_out_after_one_refusal(tells: bool) -> None:
    server = Server(tells=tells)
    answers = await asyncio.gather(*(server.documents.fitting(HEADS, server.ask) for _ in range(5)))
    assert {each.data["nodes"][0]["isDraft"] for each in answers} == {None}, "mappers find what was left out as null"
    assert server.introspected == 1
    assert server.documents.left_out == {"PullRequest.isDraft"}
    before = server.asked
    await server.documents.fitting(HEADS, server.ask)
    assert server.asked == before + 1, "it is not asked for again"


async def test_a_server_that_refuses_whatever_it_is_asked_is_not_asked_without_end() -> None:
    server = Server(tells=True)

    async def refused() -> Answer:
        server.asked += 1
        raise SchemaMismatch("PullRequestHeads", [{"message": f"Field 'x{server.asked}' doesn't exist on type 'Y'"}])

    with pytest.raises(SchemaMismatch):
        await server.documents.fitting(HEADS, refused)
    assert server.asked <= MOST_FITTINGS + 1


async def test_a_refusal_that_names_nothing_new_is_final_at_once() -> None:
    server = Server(tells=False)

    async def refused() -> Answer:
        server.asked += 1
        raise SchemaMismatch(
            "PullRequestHeads", [{"message": "No such type Moon, so it can't be a fragment condition"}]
        )

    with pytest.raises(SchemaMismatch):
        await server.documents.fitting(HEADS, refused)
    assert server.asked == 3, "once more without what is newest"


@pytest.mark.parametrize(
    ("left_out", "learned"),
    [
        ({"PullRequest.isDraft"}, False),
        ({"PullRequest.isDraft", "PullRequest.title"}, True),
        ({"PullRequest.timelineItems(itemTypes)"}, True),
        ({"IssueTimelineItemsItemType.PINNED_EVENT"}, True),
        ({"PinnedEvent"}, True),
        ({"MoonEvent", "IssueTimelineItemsItemType.MOON_EVENT"}, False),
        (set(), False),
    ],
)
async def test_what_a_server_has_learned_since_is_known(left_out: set[str], learned: bool) -> None:
    assert await Server(tells=True).documents.has_learned(left_out) is learned
