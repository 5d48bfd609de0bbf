"""Makes metric families of the state in Postgres. Every process with the same settings reports the same state."""

from collections.abc import Collection, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from store.measures import Labelled, Measures


class System(Collector):
    """The metric families of `measures`, which are numbers read from Postgres. `measures` is None if Postgres does not
    answer. The only metric is then `backfill_postgres_up`, which is 0. `channels` are the channels on which
    notifications are sent. A notification on another channel has no age, because nobody waits for it.
    """

    def __init__(self, measures: Measures | None, channels: Collection[str]) -> None:
        self._measures = measures
        self._channels = channels

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("postgres_up", "1 while Postgres answers", {(): float(self._measures is not None)})
        if self._measures is None:
            return
        it = self._measures
        deliveries, since = it.unprocessed_deliveries, it.oldest_unprocessed_delivery
        pending = {of: age for of, age in it.oldest_pending_notification.items() if of[0] in self._channels}
        yield _gauge("jobs", "Jobs, by status", it.jobs, "status")
        yield _gauge(
            "oldest_unfinished_job_seconds", "Age of the oldest job that has not ended", _one(it.oldest_unfinished_job)
        )
        yield _gauge("unsignaled_jobs", "Jobs that Temporal has not been told of", _one(it.unsignaled_jobs))
        yield _gauge("repositories", "Repositories of unfinished jobs, by status", it.repositories, "status")
        yield _gauge("waiting_repositories", "Repositories that wait, by reason", it.waiting_repositories, "reason")
        yield _gauge("silent_sweeps", "Sweeps without a page for ten minutes", _one(it.silent_sweeps))
        yield _gauge("addons", "Add-ons, by status", it.addons, "status")
        yield _gauge("unprocessed_deliveries", "Polar's deliveries that are not processed", _one(deliveries))
        yield _gauge("oldest_unprocessed_delivery_seconds", "Age of the oldest of them", _one(since))
        yield _gauge(
            "notifications", "Notifications pending, and given up within a day", it.notifications, "channel", "status"
        )
        yield _gauge("oldest_pending_notification_seconds", "Age of the oldest pending one", pending, "channel")
        yield _gauge("notes", "Things that GitHub does not show, by kind", it.notes, "kind")
        yield _gauge("github_budget_limit", "Points or requests an hour", it.budget_limit, "account", "resource")
        yield _gauge("github_budget_left", "What is left of them", it.budget_left, "account", "resource")
        yield _gauge(
            "github_budget_paused_seconds", "Until GitHub's refusal ends", it.budget_paused, "account", "resource"
        )
        yield _gauge("server_away", "1 while a server answers nobody", it.servers_away, "server", "api")


def _one(value: float) -> Labelled:
    return {(): value}


def _gauge(name: str, text: str, values: Labelled, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"backfill_{name}", text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family
