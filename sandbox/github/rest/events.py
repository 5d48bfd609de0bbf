"""REST's routes for a repository's events, stars, forks and releases, and for the activity of its branches."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.github.exchange.pages import encode, page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.exchange.requests import Reply, json_reply, message_reply
from sandbox.github.rest.calls import Call, Refusal, find_repository, link, listed, needs_contents
from sandbox.github.rest.shapes.accounts import user_shape
from sandbox.github.rest.shapes.events import activity_shape, event_shape, release_shape
from sandbox.github.rest.shapes.repositories import repository_shape
from sandbox.github.world import events
from sandbox.github.world.clock import Stamp, after, moment, stamp
from sandbox.github.world.commits import ACTIVITY_TYPES, HEADS, Activity, happened
from sandbox.github.world.releases import Star
from sandbox.github.world.repositories import Repository

STARGAZERS_LIMIT = 40_000
WEEKS_A_PAGE = 30
STARS_WITH_DATES = "application/vnd.github.star+json"
PERIODS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
"""The days of each `time_period`. Activity never reaches back more than a year."""


def repository_events(call: Call, owner: str, name: str) -> Reply:
    found = find_repository(call, owner, name)
    reply = listed(call, events.shown(found), lambda event: event_shape(call, event), limit=events.EVENTS_LIMIT)
    reply.headers["X-Poll-Interval"] = "60"
    return reply


# --- activity


def activity(call: Call, owner: str, name: str) -> Reply:
    """Returns the changes of branches, the newest first by default. Unlike most REST lists, this list has cursors and
    no page numbers.
    """
    needs_contents(call)
    found = find_repository(call, owner, name)
    try:
        served = page(
            call.chosen(_activity(call, found)),
            happened,
            **_page(call),
            after=call.query.get("after"),
            before=call.query.get("before"),
            descending=call.one_of("direction", ("asc", "desc"), "desc") == "desc",
        )
    except GitHubError as error:
        raise Refusal(message_reply(422, error.message)) from error
    reply = json_reply(200, [activity_shape(call, each) for each in call.shown(served.nodes)])
    query = {key: value for key, value in call.query.items() if key not in ("after", "before")}
    queries = {}
    if served.has_next_page and served.nodes:
        queries["next"] = query | {"after": encode(happened(served.nodes[-1]))}
    if served.has_previous_page and served.nodes:
        queries["prev"] = query | {"before": encode(happened(served.nodes[0]))}
    link(call, reply, queries)
    return reply


def _page(call: Call) -> dict[str, int]:
    size = min(call.number("per_page", 30), 100)
    return {"last": size} if call.query.get("before") else {"first": size}


def _activity(call: Call, found: Repository) -> list[Activity]:
    period = call.one_of("time_period", tuple(PERIODS), "year")
    kind = call.one_of("activity_type", ACTIVITY_TYPES, "")
    since = after(call.world.clock.stamp(), -PERIODS[period] * 86_400)
    chosen = [each for each in found.git.activity if each.timestamp >= since]
    if kind:
        chosen = [each for each in chosen if each.activity_type == kind]
    if ref := call.query.get("ref"):
        chosen = [each for each in chosen if each.ref == HEADS + found.branch(ref)]
    if actor := call.query.get("actor"):
        chosen = [each for each in chosen if each.actor is not None and each.actor.rest_login == actor]
    return chosen


# --- stars


def stargazers(call: Call, owner: str, name: str) -> Reply:
    """Returns the stars, oldest first. Since July 2026 GitHub shows stars to collaborators only; `stargazers_refusal`
    says what other viewers get.
    """
    found = find_repository(call, owner, name)
    shown = found.ordered("stars", "starred_at")
    if not found.shows_stargazers_to(call.viewer, call.installation):
        if found.stargazers_refusal == "forbidden":
            raise Refusal(message_reply(403, "Must have push access to view the stargazers of this repository."))
        if found.stargazers_refusal == "not_found":
            raise Refusal(message_reply(404, "Not Found"))
        shown = []
    dated = STARS_WITH_DATES in call.accept
    return listed(call, shown, lambda star: _star(call, star, dated=dated), limit=STARGAZERS_LIMIT)


def _star(call: Call, star: Star, *, dated: bool) -> dict[str, Any]:
    user = user_shape(call, star.account)
    return {"starred_at": star.starred_at, "user": user} if dated else user


def stargazer_count(call: Call, owner: str, name: str) -> Reply:
    return json_reply(200, {"count": find_repository(call, owner, name).stargazer_count})


def stargazer_history(call: Call, owner: str, name: str) -> Reply:
    """Returns the number of stars in each week, from this week back to the repository's creation. Everybody may see
    these numbers.
    """
    found = find_repository(call, owner, name)
    days = found.kept("stars a day", lambda: Counter(star.starred_at[:10] for star in found.stars.values()))
    first = min([found.created_at[:10], *days])
    weeks = []
    sunday = _sunday(call.world.clock.stamp())
    while sunday + timedelta(days=7) > moment(first):
        weeks.append(sunday)
        sunday -= timedelta(days=7)

    def shape(sunday: Any) -> dict[str, Any]:
        counts = [days[stamp(sunday + timedelta(days=day))[:10]] for day in range(7)]
        return {"days": counts, "total": sum(counts), "week": int(sunday.timestamp())}

    return listed(call, weeks, shape, largest=WEEKS_A_PAGE)


def _sunday(at: Stamp) -> Any:
    day = moment(at[:10])
    return day - timedelta(days=day.isoweekday() % 7)


# --- forks and releases


def forks(call: Call, owner: str, name: str) -> Reply:
    found = find_repository(call, owner, name)
    sort = call.one_of("sort", ("newest", "oldest", "stargazers", "watchers"), "newest")
    if sort not in ("newest", "oldest"):
        raise NotModelled(f"forks by {sort}")
    shown = found.shown_forks()
    return listed(call, shown[::-1] if sort == "newest" else shown, lambda fork: repository_shape(call, fork))


def releases(call: Call, owner: str, name: str) -> Reply:
    needs_contents(call)
    found = find_repository(call, owner, name)
    return listed(call, found.shown_releases()[::-1], lambda release: release_shape(call, release))


ROUTES: tuple[tuple[str, Callable[..., Reply]], ...] = (
    ("/repos/{o}/{r}/events", repository_events),
    ("/repos/{o}/{r}/activity", activity),
    ("/repos/{o}/{r}/stargazers", stargazers),
    ("/repos/{o}/{r}/stargazers/count", stargazer_count),
    ("/repos/{o}/{r}/stargazers/history", stargazer_history),
    ("/repos/{o}/{r}/forks", forks),
    ("/repos/{o}/{r}/releases", releases),
)
