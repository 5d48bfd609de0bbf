"""Discussions: what GitHub answers about them, what moves their `updatedAt`, and those that are generated."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.github import Clock, World
from sandbox.github.faults import NullNode
from sandbox.github.generation import Plan, add_discussions, repository
from sandbox.github.generation import exports as loading
from sandbox.github.world import node_ids
from sandbox.github.world.clock import after
from sandbox.github.world.discussions import Discussion, DiscussionComment
from sandbox.github.world.node_ids import NodeId
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.generated import END, fingerprint
from tests.support.sandbox.pricing import priced

NOW = "2026-03-01T12:00:00Z"
COMMENT = """
fragment Comment on DiscussionComment {
  id databaseId body author { __typename login } createdAt updatedAt isAnswer upvoteCount deletedAt isMinimized url
  replyTo { id }
  replies { totalCount }
}
"""
PAGE = (
    COMMENT
    + """
query Page($first: Int!, $after: String, $name: String!) {
  rateLimit { cost nodeCount }
  repository(owner: "octo", name: $name) {
    databaseId nameWithOwner hasDiscussionsEnabled
    threads: discussions(first: $first, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        id databaseId number title body url locked createdAt updatedAt upvoteCount isAnswered answerChosenAt
        answerChosenBy { login } answer { id } author { __typename login }
        category { id name description emoji isAnswerable slug }
        comments(first: 100) { totalCount pageInfo { hasNextPage endCursor } nodes { ...Comment } }
      }
    }
  }
}
"""
)
LISTING = """
query Listing($first: Int!, $after: String, $by: DiscussionOrder!, $category: ID) {
  repository(owner: "octo", name: "hello") {
    discussions(first: $first, after: $after, orderBy: $by, categoryId: $category) {
      totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id databaseId number createdAt updatedAt } }
    }
  }
}
"""
COMMENTS_PAGE = """
  ... on Discussion { comments(first: 100, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id replies { totalCount } } } }
"""
REPLIES_PAGE = """
  ... on DiscussionComment { replies(first: 100, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id replyTo { id } } } }
"""


@pytest.fixture
def forum(repository: Repository, world: World) -> Repository:
    """octo/hello with discussions 11 to 15, a minute apart, the first four in Q&A."""
    repository.has_discussions_enabled = True
    for place in range(5):
        category = "Q&A" if place < 4 else "Ideas"
        at = f"2026-02-02T00:{place:02}:00Z"
        repository.open_discussion(world.account("ann"), f"Talk {place}", "body", category=category, created_at=at)
    return repository


def numbers(reply: Any) -> list[int]:
    return [edge["node"]["number"] for edge in reply.data["repository"]["discussions"]["edges"]]


def walk(client: Any, thing: Any, inside: str, name: str, *, new: bool) -> Iterator[dict[str, Any]]:
    """Every node of a connection of something, page for page, as an aliased `node` asked twice."""
    query = f"query ($id: ID!, $after: String) {{ a: node(id: $id) {{ {inside} }} b: node(id: $id) {{ {inside} }} }}"
    headers = {"X-Github-Next-Global-ID": "1"} if new else None
    after = None
    while True:
        data = client.ask(query, headers, id=thing.node_id(new), after=after).data
        assert data["a"] == data["b"]
        page = data["a"][name]
        yield from page["nodes"]
        assert page["totalCount"] == len(getattr(thing, name))
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return


# --- what is answered


@pytest.mark.parametrize(
    ("node_id", "typename", "key"),
    [
        ("MDEwOkRpc2N1c3Npb24zNDY0NDI1", "Discussion", 3464425),
        ("MDE3OkRpc2N1c3Npb25Db21tZW50NTQ0MDc4", "DiscussionComment", 544078),
        ("MDE4OkRpc2N1c3Npb25DYXRlZ29yeTMyNzk2NTc1", "DiscussionCategory", 32796575),
        ("DC_kwDOLDuJqs4Agx94", "DiscussionComment", 8593272),
        ("D_kwDOLDuJqs4AXteZ", "Discussion", 6215577),
    ],
)
def test_real_ids(node_id: str, typename: str, key: int) -> None:
    assert node_ids.parse(node_id) == NodeId(typename, key)
    new = "_" in node_id
    made = node_ids.new(typename, node_ids.repository_of(node_id), key) if new else node_ids.old(typename, key)
    assert made == node_id


def test_a_page(client: Any, forum: Repository, world: World) -> None:
    ann, bot = world.account("ann"), world.account("dependabot", "Bot")
    talk = forum.discussion(12)
    first = talk.comment(bot, "first", database_id=2**31)
    reply = first.reply(None, "reply")
    talk.comment(None, "second")
    reply.mark_as_answer(ann)
    talk.lock("RESOLVED")
    talk.upvote(4)
    leaver = world.account("leaver")
    wide = forum.open_discussion(leaver, "Wide", database_id=2**33, category="Ideas", created_at="2026-02-01T00:00:00Z")
    leaver.delete()
    found = client.ask(PAGE, {"X-Github-Next-Global-ID": "1"}, first=50, name="hello").data["repository"]
    assert found["nameWithOwner"] == "octo/hello"
    nodes = {node["number"]: node for node in found["threads"]["nodes"]}
    assert list(nodes) == [12, 15, 14, 13, 11, 16]
    assert found["threads"]["totalCount"] == 6
    node = nodes[12]
    comments = node.pop("comments")
    category = forum.discussion_category("Q&A")
    assert node == {
        "id": talk.node_id(True),
        "databaseId": talk.database_id,
        "number": 12,
        "title": "Talk 1",
        "body": "body",
        "url": "https://github.com/octo/hello/discussions/12",
        "locked": True,
        "createdAt": "2026-02-02T00:01:00Z",
        "updatedAt": NOW,
        "upvoteCount": 5,
        "isAnswered": True,
        "answerChosenAt": NOW,
        "answerChosenBy": {"login": "ann"},
        "answer": {"id": reply.node_id(True)},
        "author": {"__typename": "User", "login": "ann"},
        "category": {
            "id": category.node_id(True),
            "name": "Q&A",
            "description": "All about Q&A",
            "emoji": ":pray:",
            "isAnswerable": True,
            "slug": "q-a",
        },
    }
    assert (comments["totalCount"], comments["pageInfo"]["hasNextPage"]) == (2, False)
    assert [each["body"] for each in comments["nodes"]] == ["second", "first"]
    assert comments["nodes"][1] == {
        "id": first.node_id(True),
        "databaseId": None,
        "body": "first",
        "author": {"__typename": "Bot", "login": "dependabot"},
        "createdAt": NOW,
        "updatedAt": NOW,
        "isAnswer": False,
        "upvoteCount": 1,
        "deletedAt": None,
        "isMinimized": False,
        "url": f"https://github.com/octo/hello/discussions/12#discussioncomment-{2**31}",
        "replyTo": None,
        "replies": {"totalCount": 1},
    }
    assert comments["nodes"][0]["author"] is None
    assert nodes[11]["isAnswered"] is False
    assert nodes[15]["isAnswered"] is None, "Ideas are not answered"
    assert (nodes[16]["databaseId"], nodes[16]["author"]) == (None, None)
    assert node_ids.parse(nodes[16]["id"]) == NodeId("Discussion", wide.database_id)


def test_a_listing_in_every_order(client: Any, forum: Repository) -> None:
    forum.discussion(11).updated_at = "2026-02-03T00:00:00Z"
    orders = {
        ("UPDATED_AT", "DESC"): [11, 15, 14, 13, 12],
        ("UPDATED_AT", "ASC"): [12, 13, 14, 15, 11],
        ("CREATED_AT", "DESC"): [15, 14, 13, 12, 11],
        ("CREATED_AT", "ASC"): [11, 12, 13, 14, 15],
    }
    forum.revision += 1
    for (field, direction), expected in orders.items():
        by = {"field": field, "direction": direction}
        seen: list[int] = []
        after = None
        for _ in range(3):
            reply = client.ask(LISTING, first=2, after=after, by=by)
            seen += numbers(reply)
            page = reply.data["repository"]["discussions"]
            after = page["pageInfo"]["endCursor"]
            assert page["edges"][-1]["cursor"] == after
        assert (seen, page["pageInfo"]["hasNextPage"], page["totalCount"]) == (expected, False, 5)
    ideas = forum.discussion_category("Ideas").node_id(True)
    reply = client.ask(LISTING, first=9, by=by, category=ideas)
    assert (numbers(reply), reply.data["repository"]["discussions"]["totalCount"]) == ([15], 1)
    reply = client.ask(LISTING, first=9, by=by, category=forum.node_id(True))
    assert reply.error["type"] == "NOT_FOUND"
    query = '{ repository(owner: "octo", name: "hello") { discussions(first: 9) { edges { node { number } } } } }'
    assert numbers(client.ask(query)) == [11, 15, 14, 13, 12], "the default order"


def test_a_cursor_survives_its_discussion(client: Any, forum: Repository) -> None:
    by = {"field": "UPDATED_AT", "direction": "DESC"}
    reply = client.ask(LISTING, first=2, by=by)
    assert numbers(reply) == [15, 14]
    after = reply.data["repository"]["discussions"]["pageInfo"]["endCursor"]
    forum.discussion(14).comment(None, "moves it up")
    forum.discussion(12).delete()
    assert numbers(client.ask(LISTING, first=9, by=by, after=after)) == [13, 11]
    assert numbers(client.ask(LISTING, first=9, by=by)) == [14, 15, 13, 11]


def test_one_that_github_fails_to_answer_is_null(client: Any, forum: Repository) -> None:
    client.github.faults.add(NullNode(number=13), times=None)
    reply = client.ask(PAGE, first=9, name="hello")
    assert [node and node["number"] for node in reply.json["data"]["repository"]["threads"]["nodes"]] == [
        15,
        14,
        None,
        12,
        11,
    ]
    assert reply.error["path"] == ["repository", "threads", "nodes", 2]
    by_id = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert client.ask(by_id, ids=[forum.discussion(13).node_id(True)]).json["data"]["nodes"] == [None]


def test_switched_off_there_are_none(client: Any, forum: Repository) -> None:
    """As the tests of GitHub's own command line have it: an empty connection, no error."""
    one = '{ repository(owner: "octo", name: "hello") { discussion(number: 11) { number } } }'
    assert client.ask(one).data["repository"]["discussion"] == {"number": 11}
    forum.has_discussions_enabled = False
    found = client.ask(PAGE, first=9, name="hello").data["repository"]
    assert found["hasDiscussionsEnabled"] is False
    assert found["threads"] == {"totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}
    assert client.ask(one).error["message"] == "Could not resolve to a Discussion with the number of 11."
    with pytest.raises(ValueError, match="has no discussions"):
        forum.open_discussion(None, "more")


@pytest.mark.parametrize("new", [False, True])
def test_long_threads_are_walked(client: Any, forum: Repository, new: bool) -> None:
    """Beyond 100 comments, and beyond 100 replies, all of one second."""
    talk = forum.discussion(13)
    comments = [talk.comment(None, str(place)) for place in range(205)]
    replies = [comments[7].reply(None, str(place)) for place in range(130)]
    found = list(walk(client, talk, COMMENTS_PAGE, "comments", new=new))
    assert [node["id"] for node in found] == [each.node_id(new) for each in comments]
    assert [node["replies"]["totalCount"] for node in found] == [130 if each == 7 else 0 for each in range(205)]
    found = list(walk(client, comments[7], REPLIES_PAGE, "replies", new=new))
    assert [node["id"] for node in found] == [each.node_id(new) for each in replies]
    assert {node["replyTo"]["id"] for node in found} == {comments[7].node_id(new)}


def test_nodes_by_their_ids(client: Any, forum: Repository) -> None:
    talk = forum.discussion(11)
    comment = talk.comment(None, "a")
    comment.reply(None, "b")
    gone = talk.comment(None, "c")
    gone.delete()
    query = """query ($ids: [ID!]!) { nodes(ids: $ids) { __typename
        ... on Discussion { number comments(first: 9) { totalCount } }
        ... on DiscussionComment { body discussion { number } replies(first: 100) { nodes { body } } } } }"""
    ids = [talk.node_id(False), talk.node_id(True), comment.node_id(False), comment.node_id(True), gone.node_id(True)]
    reply = client.ask(query, ids=ids)
    thread = {"__typename": "Discussion", "number": 11, "comments": {"totalCount": 1}}
    said = {"body": "a", "discussion": {"number": 11}, "replies": {"nodes": [{"body": "b"}]}}
    answer = {"__typename": "DiscussionComment"} | said
    assert reply.json["data"]["nodes"] == [thread, thread, answer, answer, None]
    assert (reply.error["type"], reply.error["path"]) == ("NOT_FOUND", ["nodes", 4])


def test_what_pages_cost() -> None:
    """Connections of which only the total is asked count: a page of comments is what makes `replies` dear."""
    found = priced(PAGE, first=25, name="n")
    assert found.requests == 1 + 25 + 25 * 100
    assert found.node_count == 25 + 25 * 100
    assert found.cost == 25
    bare = priced(PAGE.replace("replies { totalCount }", ""), first=25, name="n")
    assert (bare.requests, bare.cost) == (26, 1)


# --- how they change


def test_what_moves_a_discussion(forum: Repository, world: World) -> None:
    ann = world.account("ann")
    talk = forum.discussion(11)
    comment, spare = talk.comment(ann, "x", bump=False), talk.comment(ann, "y", bump=False)
    reply = comment.reply(ann, "z", bump=False)
    moves: list[Callable[[], Any]] = [
        lambda: talk.edit(title="new"),
        lambda: talk.edit(body="new"),
        lambda: talk.comment(ann, "y"),
        lambda: comment.reply(ann, "z"),
        lambda: comment.mark_as_answer(ann),
        talk.unanswer,
        talk.lock,
        talk.unlock,
        lambda: talk.edit(category=forum.discussion_category("Ideas")),
    ]
    stays: list[Callable[[], Any]] = [
        lambda: talk.comment(ann, "silent", bump=False),
        lambda: comment.reply(ann, "silent", bump=False),
        lambda: comment.edit("edited"),
        talk.upvote,
        comment.upvote,
        spare.delete,
        reply.delete,
        comment.delete,
        lambda: talk.category.rename("Thoughts"),
    ]
    for changes, moved in ((moves, True), (stays, False)):
        for place, change in enumerate(changes):
            talk.updated_at = "2026-02-02T00:00:00Z"
            change()
            assert (talk.updated_at == NOW) is moved, (moved, place)
    assert (talk.title, talk.body, talk.last_edited_at, talk.category.name) == ("new", "new", NOW, "Thoughts")


def test_answers(forum: Repository, world: World, clock: Clock) -> None:
    talk = forum.discussion(11)
    one, other = talk.comment(None, "a"), talk.comment(None, "b").reply(None, "c")
    one.mark_as_answer(world.account("ann"))
    clock.advance(60)
    other.mark_as_answer()
    assert (one.is_answer, other.is_answer, talk.is_answered) == (False, True, True)
    assert (talk.answer_chosen_at, talk.answer_chosen_by) == ("2026-03-01T12:01:00Z", None)
    clock.advance(60)
    other.delete()
    assert (talk.answer, talk.answer_chosen_at, talk.is_answered) == (None, None, False)
    assert talk.updated_at == "2026-03-01T12:01:00Z"
    one.mark_as_answer(world.account("ann"))
    talk.edit(category=forum.discussion_category("Ideas"))
    assert (talk.answer, talk.answer_chosen_by, talk.is_answered) == (None, None, None)
    with pytest.raises(ValueError, match="nothing in Ideas is answered"):
        one.mark_as_answer()


def test_deleted_comments(forum: Repository, world: World) -> None:
    """One with replies stays as their place."""
    talk = forum.discussion(11)
    alone, replied = talk.comment(world.account("bob"), "a"), talk.comment(world.account("bob"), "b")
    reply = replied.reply(world.account("bob"), "c")
    for each in (alone, replied):
        each.delete()
    assert talk.comments == [replied]
    assert (replied.body, replied.author, replied.deleted_at, replied.replies) == ("", None, NOW, [reply])
    assert world.node(alone.node_id(True)) is None
    reply.delete()
    assert replied.replies == []
    with pytest.raises(ValueError, match="two levels"):
        replied.reply(None, "x").reply(None, "y")


def test_a_deleted_discussion_takes_everything_with_it(forum: Repository, world: World) -> None:
    talk = forum.discussion(15)
    talk.comment(None, "a").reply(None, "b")
    everything = [talk, *talk.children()]
    assert len(everything) == 3
    talk.delete()
    assert all(world.node(each.node_id(True)) is None for each in everything)
    assert forum.open_issue(None, "next").number == 16, "numbers are shared, and not given twice"
    assert forum.open_discussion(None, "next").number == 17
    forum.empty()
    assert set(forum.counts().values()) == {0}


# --- generated


def written(of: Repository) -> list[Discussion | DiscussionComment]:
    return [*of.discussions.values(), *(each for talk in of.discussions.values() for each in talk.children())]


def talk_facts(of: Repository) -> list[Any]:
    return [
        (each.node_id(True), each.author and each.author.login, each.body, each.updated_at, each.upvote_count)
        for each in written(of)
    ]


def test_generated_discussions_leave_the_threads_as_they_are() -> None:
    plain = Plan("o/n", 20, 10)
    talking = Plan.parse("o/n?pull_requests=20&issues=10&discussions=15&discussion_comments=2.5")
    made = [repository(World(), plan, end=END) for plan in (plain, talking, talking)]
    assert fingerprint(made[0]) == fingerprint(made[1])
    assert not made[0].discussions
    assert not made[0].has_discussions_enabled
    assert made[1].has_discussions_enabled
    assert list(made[1].discussions) == list(range(31, 46))
    assert talk_facts(made[1]) == talk_facts(made[2])


def test_generated_discussions_hold_everything() -> None:
    plan = Plan(
        "o/n", 5, 5, discussions=200, deep_discussions=2, deep_replies=1, wide_ids=0.2, ghosts=0.1, nuls=0.05, years=2
    )
    made = repository(World(), plan, end=END)
    talks = list(made.discussions.values())
    assert made.counts() | {"discussions": 200, "discussion_comments": 1_000} == made.counts()
    assert sum(len(talk.comments) for talk in talks) == 600
    assert sum(len(talk.comments) == 130 for talk in talks) == 2
    assert sum(len(each.replies) == 130 for talk in talks for each in talk.comments) == 1
    everything = written(made)
    assert {each.author.typename for each in everything if each.author} == {"User", "Bot"}
    assert any(each.author is None for each in everything)
    assert any("\0" in each.body for each in everything)
    assert {each.database_id >> 31 > 0 for each in everything} == {False, True}
    assert {talk.is_answered for talk in talks} == {None, False, True}
    answers = [talk.answer for talk in talks if talk.answer]
    assert {answer.reply_to is None for answer in answers} == {False, True}
    assert {talk.answer_chosen_by is None for talk in talks if talk.answer} == {False, True}
    assert {talk.locked for talk in talks} == {False, True}
    for talk in talks:
        moments = [each.created_at for each in (talk, *talk.children())] + [talk.answer_chosen_at or ""]
        assert made.created_at <= talk.created_at <= max(moments) <= talk.updated_at <= END
        assert all(each.reply_to.created_at <= each.created_at for each in talk.children() if each.reply_to)
    assert len({talk.updated_at for talk in talks}) < 200, "some share a second"


def test_discussions_for_an_export(exports: Path) -> None:
    made, again = (loading.load(World(), exports / "cfrg__draft-irtf-cfrg-hpke.json.gz") for _ in range(2))
    before, last = fingerprint(made), made.next_number()
    openers = {each.account for each in (*made.issues.values(), *made.pull_requests.values())}
    for each in (made, again):
        add_discussions(each, Plan("any/name", discussions=30, years=1))
    assert fingerprint(made) == before
    assert talk_facts(made) == talk_facts(again)
    assert list(made.discussions) == list(range(last, last + 30))
    users = {each.author for each in written(made) if each.author and each.author.typename == "User"}
    assert users and users <= openers
    assert made.created_at <= made.discussion(last).created_at < after(made.created_at, 90 * 86_400)
    assert all(each.updated_at <= made.updated_at for each in written(made))
