"""Resolvers of discussions."""

from typing import Any

from sandbox.github.exchange.pages import Page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.resolvers import by_id, field, one, refuse_arguments, serve, spoil
from sandbox.github.world.discussions import Discussion, DiscussionComment
from sandbox.github.world.repositories import ORDERS, Repository


@field("Repository.discussions")
def discussions(source: Repository, info: Info, **args: Any) -> Page:
    """Returns a page of the repository's discussions. The list is empty while discussions are switched off, even if the
    repository has some.
    """
    if args.get("answered") is not None or args.get("states"):
        raise NotModelled("Repository.discussions by answer or state")
    order = args.get("orderBy") or {"field": "UPDATED_AT", "direction": "DESC"}
    by: Any = order["field"].lower()
    items = source.ordered("discussions", by) if source.has_discussions_enabled else []
    if category_id := args.get("categoryId"):
        category = info.context.world.node(category_id)
        if category is None or category.typename != "DiscussionCategory":
            raise GitHubError("NOT_FOUND", f"Could not resolve to a node with the global id of '{category_id}'.")
        items = [each for each in items if each.category is category]
    served = serve(info, items, ORDERS[by], args, descending=order["direction"] == "DESC")
    served.shown = spoil(info, served.nodes)
    return served


@field("Repository.discussion")
def discussion(source: Repository, info: Info, **args: Any) -> Discussion:
    found = source.discussions.get(args["number"]) if source.has_discussions_enabled else None
    if found is None or info.context.world.hides(found):
        raise GitHubError("NOT_FOUND", f"Could not resolve to a Discussion with the number of {args['number']}.")
    return one(info, found)


@field("Repository.discussionCategories")
def discussion_categories(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.discussionCategories", args, "filterByAssignable")
    return serve(info, list(source.discussion_categories.values()), by_id, args)


@field("Discussion.comments")
def discussion_comments(source: Discussion, info: Info, **args: Any) -> Page:
    """Returns a page of the discussion's first-level comments. `totalCount` does not count replies."""
    return serve(info, source.comments, ORDERS["created_at"], args)


@field("DiscussionComment.replies")
def replies(source: DiscussionComment, info: Info, **args: Any) -> Page:
    return serve(info, source.replies, ORDERS["created_at"], args)
