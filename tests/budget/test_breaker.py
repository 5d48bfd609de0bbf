"""The breaker by itself, in simulated time: who asks while a server answers nobody, and when all go on."""

import heapq
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from budget.breaker import Breaker, Intervals

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERY = Intervals()
OUTAGE = timedelta(minutes=90)


class Sent:
    """A request that reached the server, or would have."""

    def __init__(self, at: datetime, api: str, kind: str) -> None:
        self.at, self.api, self.kind = at, api, kind


class Simulation:
    """Many slices of many workers at one breaker, in order of time. Requests take `seconds`, or fail after them."""

    def __init__(self, seconds: float, fails: Callable[[datetime, str], bool]) -> None:
        self.now = START
        self.breaker = Breaker()
        self.sent: list[Sent] = []
        self.lost: list[str] = []
        """Attempts that were counted: a request failed, and the server was believed to be there."""
        self.answered: list[Sent] = []
        self._seconds, self._fails = seconds, fails
        self._due: list[tuple[datetime, int, Iterator[float]]] = []

    def asks(self, api: str, after: float = 0) -> None:
        """From now on a slice wants something of this API every ten seconds."""
        heapq.heappush(self._due, (self.now + timedelta(seconds=after), len(self._due), self._slice(api)))

    def run(self, until: datetime) -> None:
        # Through JSON now and then, as Postgres keeps it.
        while self._due[0][0] <= until:
            self.now, number, slice_ = heapq.heappop(self._due)
            if number == 0:
                self.breaker = Breaker.model_validate_json(self.breaker.model_dump_json(exclude_defaults=True))
            heapq.heappush(self._due, (self.now + timedelta(seconds=next(slice_)), number, slice_))

    def _send(self, api: str, kind: str, most: float) -> Generator[float, None, bool]:
        sent = Sent(self.now, api, kind)
        self.sent.append(sent)
        fails = self._fails(self.now, api)
        yield min(self._seconds if fails else 0.1, most)
        if not fails:
            self.answered.append(sent)
        return not fails

    def _slice(self, api: str) -> Iterator[float]:
        while True:
            while (verdict := self.breaker.admit(self.now, api, EVERY)).do != "ask":
                if verdict.do == "away":
                    assert verdict.until is not None
                    yield (verdict.until - self.now).total_seconds() + 0.5
                elif verdict.do == "wait":
                    yield 0.25
                else:
                    yield from self._probe(verdict.api)
            if (yield from self._send(api, "request", 15)):
                yield 10
            else:
                yield from self._judge(api)

    def _judge(self, api: str) -> Iterator[float]:
        failed_at = self.now
        self.breaker.failed(self.now, api, "502", EVERY)
        while (verdict := self.breaker.doubt(self.now, api, failed_at, EVERY)).do != "ask":
            if verdict.do == "away":
                return
            if verdict.do == "wait":
                yield 0.25
            else:
                yield from self._probe(verdict.api)
        self.lost.append(api)

    def _probe(self, api: str) -> Iterator[float]:
        began_at = self.now
        answered = yield from self._send(api, "probe", EVERY.probe_takes.total_seconds())
        self.breaker.probed(self.now, api, began_at, None if answered else "502", EVERY)


@pytest.mark.parametrize("seconds", [0.01, 3, 15], ids=["refused or 502", "slow 502", "never ends"])
def test_ninety_minutes_away_cost_a_hundred_requests_and_no_attempt(seconds: float) -> None:
    gone, back = START + timedelta(minutes=5), START + timedelta(minutes=5) + OUTAGE
    simulation = Simulation(seconds, lambda now, _api: gone <= now < back)
    for place in range(8):
        simulation.asks(("graphql", "core")[place % 2], after=place * 1.1)
    simulation.run(back + timedelta(minutes=5))
    meanwhile = [each for each in simulation.sent if gone <= each.at < back]
    assert 80 < len(meanwhile) <= 100
    assert simulation.lost == []
    for api in ("graphql", "core"):
        first = min(each.at for each in simulation.answered if each.at >= back and each.api == api)
        assert first - back <= timedelta(seconds=61), api
    after = [each for each in simulation.sent if each.at >= back + timedelta(seconds=62) and each.kind == "probe"]
    assert after == []


def test_two_apis_share_the_probe_of_the_minute() -> None:
    simulation = Simulation(0.01, lambda *_: True)
    for place in range(10):
        simulation.asks(("graphql", "core")[place % 2])
    simulation.run(START + timedelta(hours=1))
    probes = [each for each in simulation.sent if each.kind == "probe" and each.at > START + timedelta(minutes=2)]
    apart = [(later.at - each.at).total_seconds() for each, later in pairwise(probes)]
    assert all(60 <= each < 62 for each in apart), apart
    assert {each.api for each in probes} == {"graphql", "core"}


@pytest.mark.parametrize("away", ["graphql", "core"])
def test_where_one_api_is_away_the_other_goes_on_and_no_attempt_is_counted(away: str) -> None:
    there = "core" if away == "graphql" else "graphql"
    back = START + timedelta(minutes=30)
    simulation = Simulation(1, lambda now, api: api == away and now < back)
    for place in range(6):
        simulation.asks((away, there)[place % 2])
    simulation.run(back + timedelta(minutes=2))
    assert simulation.lost == []
    assert len([each for each in simulation.sent if each.api == away and each.at < back]) <= 35
    assert len([each for each in simulation.sent if each.api == there and each.at < back]) > 3 * 170
    first = min(each.at for each in simulation.answered if each.api == away)
    assert first - back <= timedelta(seconds=61)


def test_a_request_that_always_fails_is_no_outage() -> None:
    """A page that is too large, a route that is broken: its probes are answered, and each failure is its own."""
    breaker, now = Breaker(), START
    for _ in range(50):
        now += timedelta(seconds=5)
        breaker.failed(now, "graphql", "502", EVERY)
        verdict = breaker.doubt(now, "graphql", now, EVERY)
        assert (verdict.do, verdict.api) == ("probe", "graphql")
        assert breaker.probed(now + timedelta(seconds=1), "graphql", now, None, EVERY).do == "ask"
        assert breaker.doubt(now + timedelta(seconds=1), "graphql", now, EVERY).do == "ask"
    assert breaker.admit(now, "graphql", EVERY).do == "ask"


def test_many_that_fail_together_are_confirmed_by_one_probe_and_two_failures_by_none() -> None:
    for others, do in ((0, "wait"), (1, "away"), (7, "away")):
        breaker = Breaker()
        for _ in range(1 + others):
            breaker.failed(START, "core", "502", EVERY)
        assert breaker.doubt(START, "core", START, EVERY).do == "probe"
        assert breaker.doubt(START, "core", START, EVERY).do == "wait", "one probe for all of them"
        assert breaker.probed(START, "core", START, "502", EVERY).do == do


def test_failures_that_are_far_apart_are_not_in_a_row() -> None:
    breaker = Breaker()
    for minute in (0, 10, 20):
        now = START + timedelta(minutes=minute)
        breaker.failed(now, "core", "502", EVERY)
        assert breaker.doubt(now, "core", now, EVERY).do == "probe"
        assert breaker.probed(now, "core", now, "502", EVERY).do == "wait"


def test_a_probe_whose_worker_was_killed_is_another_workers_after_its_lease() -> None:
    breaker, now = away(START)
    due = now + timedelta(minutes=1)
    assert breaker.admit(due, "core", EVERY).do == "probe"
    assert breaker.admit(due + timedelta(seconds=14), "core", EVERY).do == "wait"
    assert breaker.admit(due + timedelta(seconds=15), "core", EVERY).do == "probe"
    assert breaker.probed(due + timedelta(seconds=16), "core", due, None, EVERY).do == "ask"
    assert breaker.admit(due + timedelta(seconds=16), "core", EVERY).do == "ask"


def test_after_a_probe_that_took_long_the_next_one_is_half_a_minute_away() -> None:
    breaker, now = away(START)
    due = now + timedelta(minutes=1)
    assert breaker.admit(due, "core", EVERY).do == "probe"
    over = due + timedelta(seconds=50)
    verdict = breaker.probed(over, "core", due, "502", EVERY)
    assert (verdict.do, verdict.until) == ("away", over + timedelta(seconds=30))


def test_who_comes_between_two_probes_is_told_when_to_come_again_and_since_when_it_is_so() -> None:
    breaker, now = away(START)
    verdict = breaker.admit(now + timedelta(seconds=1), "core", EVERY)
    assert (verdict.do, verdict.since, verdict.reason) == ("away", START, "502")
    assert verdict.until == now + timedelta(minutes=1)
    assert breaker.admit(now, "graphql", EVERY).do == "ask"


def away(now: datetime) -> tuple[Breaker, datetime]:
    """A breaker that has just found REST away, by a probe at `now`."""
    breaker = Breaker()
    breaker.failed(now, "core", "502", EVERY)
    breaker.failed(now, "core", "502", EVERY)
    breaker.doubt(now, "core", now, EVERY)
    breaker.probed(now, "core", now, "502", EVERY)
    return breaker, now
