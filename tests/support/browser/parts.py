"""The parts of a job in two states."""

from tests.support.browser.jobs import Part

DONE = {
    "pull_requests": Part(stored=120, expected=120),
    "issues": Part(stored=80, expected=80),
    "discussions": Part(stored=12, expected=12),
    "events": Part(stored=900),
    "embeddings": Part(stored=212, expected=212),
}
GOING = {
    "pull_requests": Part("in_progress", stored=61, expected=120),
    "issues": Part("completed", stored=80, expected=80),
    "discussions": Part("in_progress", expected=12, leg="recent"),
    "events": Part("in_progress", stored=300),
    "embeddings": Part("pending"),
}
