"""Sizes of generated repositories."""

from typing import Any

LITTLE: dict[str, Any] = {
    "reviews": 0.5,
    "review_comments": 0.5,
    "comments": 0.5,
    "events": 1,
    "discussion_comments": 0.5,
    "discussion_replies": 0.5,
}
"""Averages of what belongs to a thread, for tests about pages of threads: some of each kind, and not the 18 records
that a pull request has in `Plan`.
"""
