"""Counts for Prometheus what a worker does, with the meter of Temporal's SDK. Without `METRICS_PORT` nothing is
counted.

docs/metrics.md lists the names. No label is a repository or a job, because labels should have few values. Postgres has
the numbers of each repository and job.
"""

from collections.abc import Mapping

from temporalio import activity

from budget.account import Ask, Told


def page_committed(data_type: str, new_rows: Mapping[str, int]) -> None:
    """Counts a stored page and its new rows. `new_rows` maps each kind of row, such as `comments`, to a number."""
    meter = activity.metric_meter()
    meter.create_counter("backfill_pages", "Pages committed").add(1, {"data_type": data_type})
    rows = meter.create_counter("backfill_rows", "Rows that were not there, by noun")
    for noun, count in new_rows.items():
        if count > 0:
            rows.add(count, {"data_type": data_type, "noun": noun})


def slice_failed(data_type: str, error_class: str, code: str) -> None:
    """Counts a slice that ended because of a rate limit, a failure or a bug."""
    counter = activity.metric_meter().create_counter("backfill_errors", "Ends of slices by an error")
    counter.add(1, {"data_type": data_type, "class": error_class, "code": code})


def texts_embedded(texts: int, tokens: int) -> None:
    """Counts embedded texts, and the tokens paid for them. `tokens` is this system's own count, not OpenAI's."""
    meter = activity.metric_meter()
    meter.create_counter("backfill_embedded_texts", "Texts embedded").add(texts)
    meter.create_counter("backfill_embedded_tokens", "Tokens paid for").add(tokens)


def request_ended(account: str, ask: Ask, told: Told) -> None:
    """Counts a finished request to GitHub. `ask` has the operation and its expected cost. `told` has the outcome and
    the cost that GitHub charged. Requests outside an activity, such as those at a worker's start, are not counted.
    """
    if not activity.in_activity():
        return
    meter, of = activity.metric_meter(), {"account": account, "resource": ask.resource}
    requests = meter.create_counter("backfill_github_requests", "Requests to GitHub")
    requests.add(1, {**of, "operation": ask.operation, "outcome": told.outcome})
    points = ask.points if told.points is None else told.points
    meter.create_counter("backfill_github_points", "Points, or requests of REST, that GitHub charged").add(points, of)
    seconds = meter.create_histogram_float("backfill_github_answer_seconds", "Time to an answer")
    seconds.record(told.seconds, of)
