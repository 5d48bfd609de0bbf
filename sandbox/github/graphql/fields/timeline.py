"""Resolvers of timelines, with GitHub's order and counts."""

import re
from functools import cache
from typing import Any

from sandbox.github.exchange.pages import Page, page
from sandbox.github.graphql.context import Context, Info
from sandbox.github.graphql.fields.resolvers import field, serve
from sandbox.github.graphql.fields.visibility import visible_reviews
from sandbox.github.world.pull_request_commits import commits_of
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.threads import Thread, by_place


@field("Issue.timelineItems", "PullRequest.timelineItems")
def timeline_items(source: Thread, info: Info, **args: Any) -> Page:
    """Returns a page of a thread's timeline. `totalCount` counts all items of the timeline. `filteredCount` counts only
    the items that `itemTypes`, `since` and the cursors select.
    """
    types = frozenset(args.get("itemTypes") or ())
    everything = timeline(info.context, source, types)
    if types:
        everything = [each for each in everything if item_type(each.typename) in types]
    if since := args.get("since"):
        everything = [each for each in everything if each.created_at >= since]
    everything.sort(key=by_place)
    skipped = everything[args["skip"] :] if args.get("skip") else everything
    served = serve(info, skipped, by_place, args, total_count=timeline_count(info.context, source))
    within = page(everything, by_place, first=len(everything), after=args.get("after"), before=args.get("before"))
    served.filtered_count = len(within.nodes) if args.get("after") or args.get("before") else len(everything)
    served.updated_at = source.updated_at
    return served


@cache
def item_type(typename: str) -> str:
    """Returns the name that `itemTypes` has for the type of a timeline item: LABELED_EVENT for LabeledEvent."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", typename).upper()


def timeline(context: Context, source: Thread, types: frozenset[str]) -> list[Any]:
    """Returns the thread's timeline items, unsorted and not filtered by type. `types` are the requested item types, or
    empty for all types. Commits are left out unless they are requested, because they have to be created anew each time.
    """
    items: list[Any] = [*source.comments, *source.events]
    if isinstance(source, PullRequest):
        items += visible_reviews(context, source)
        if not types or "PULL_REQUEST_COMMIT" in types:
            items += commits_of(source)
    return items if context.selected is None else [each for each in items if context.selected(each)]


def timeline_count(context: Context, source: Thread) -> int:
    if context.selected is not None:
        return len(timeline(context, source, frozenset()))
    count = len(source.comments) + len(source.events)
    if isinstance(source, PullRequest):
        count += len(visible_reviews(context, source)) + source.commit_count
    return count
