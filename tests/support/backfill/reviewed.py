"""Repositories with reviews, for one sweep."""

from sandbox.github.generation import Plan

# --- The list of all review comments

REVIEWED = Plan(
    "acme/reviewed",
    pull_requests=40,
    issues=0,
    reviews=5,
    review_comments=8,
    comments=0,
    events=1,
    ghosts=0.2,
    years=1,
)
"""320 review comments: four pages of the list, for 200 reviews."""
