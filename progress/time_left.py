"""Estimates the time that a job still needs: a range, the most likely value, and the reason for the estimate.

The model assumes that the job continues at its pace so far, and stands still while GitHub's budgets are used up. The
short end of the range assumes less work, a higher pace, a lower price, and budgets that only this job uses. The long
end assumes more work, a lower pace, a higher price, and budgets that all jobs in progress share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from progress import pace
from progress.pace import Mark
from progress.sentences import Sentence, count
from progress.totals import COUNTED, Rest
from progress.views import JobState, TimeLeft

HOUR = 3_600.0
"""Seconds of a budget's window, unless a shorter one was observed."""
JUST_BEGUN_SECONDS = 3.0
"""The least seconds of work from which a pace is computed."""
MOST_WINDOWS = 3_000
TAIL = 0.08
"""Work after the last thread (REST comments, proofs, events, vectors), as a share of the work so far."""
TAIL_SECONDS = 2.0
QUICK_REQUEST_SECONDS, REQUEST_SECONDS, SLOW_REQUEST_SECONDS = 0.2, 0.35, 0.6
"""Seconds for one page of a REST list: at best, probably, at worst. The pages of a list are requested in turn."""
QUICK_RESUME_SECONDS, RESUME_SECONDS = 0.5, 1.5
"""Delay between a budget's reset and the next request: a second for differing clocks, and up to one at random."""


@dataclass(frozen=True, slots=True)
class Window:
    """One account's budget of one resource: `left` units for the next `resets_in` seconds, then `allowed` units in each
    `period`.
    """

    resource: str
    left: float
    allowed: float
    resets_in: float
    period: float = HOUR


@dataclass(frozen=True, slots=True)
class Scenario:
    """Assumptions about the rest of a job. `left`, `pace` and `cost` are factors for the work left, the pace and the
    price. `tail` is the time after the last thread, as a share of the time worked so far. `others` is how many other
    jobs share the budgets.

    `requests` is how many REST requests are still to be sent after the last unit (a thread or an embedding). Each
    request takes `request_seconds`.
    """

    left: float
    pace: float
    cost: float
    tail: float
    requests: int = 0
    request_seconds: float = REQUEST_SECONDS
    others: int = 0
    resume_seconds: float = RESUME_SECONDS
    longest_period: float = inf
    """Upper limit for the seconds of a window: an observed window may be too long, because it is rounded."""


@dataclass(frozen=True, slots=True)
class Future:
    """The result of a simulation: `seconds` until the end, and the number of waits for budgets."""

    seconds: float
    waits: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """The range and the most likely value of the time left, in seconds from the moment of the job's view."""

    left: TimeLeft
    likely_seconds: float


def outlook(
    job: JobState, rest: Rest, now: Mark, earlier: Sequence[Mark], windows: Sequence[Window], others: int = 0
) -> Outlook | Sentence:
    """Returns the time left, or a sentence that says why it is unknown.

    `rest` is the work left. `now` is the job's present mark, `earlier` are marks of the same attempt, oldest first.
    `windows` are the budgets that the job spends from. `others` is how many other jobs may use the same budgets.
    """
    unknown = _unknown(job, rest)
    if unknown is not None:
        return unknown
    paces = [each for each in (_pace(mark, now) for mark in (*earlier, Mark(0, 0, 0, 0))) if each is not None]
    if now.worked_seconds < JUST_BEGUN_SECONDS or not paces:
        return Sentence(state="just_begun", text="It has just begun: there is no pace yet")
    if not earlier and job.attempt:
        return Sentence(state="just_begun", text="It has just begun again: there is no pace yet")
    paces = paces[: len(earlier)] or paces
    done = now.units / max(now.units + rest.units, 1)
    doubt = 0.15 + 0.35 * (1 - done)
    slow, fast = min(paces, key=lambda each: each.per_second), max(paces, key=lambda each: each.per_second)
    likely = paces[-1]
    delay = _delay(job)
    cheap = Scenario(
        *(1 - doubt, 1.2, 0.85, 0),
        requests=rest.fewest_requests,
        request_seconds=QUICK_REQUEST_SECONDS,
        resume_seconds=QUICK_RESUME_SECONDS,
        longest_period=HOUR,
    )
    best = _future(rest, now, fast, windows, delay, cheap)
    middle = _future(rest, now, likely, windows, delay, Scenario(1, 1, 1, TAIL, rest.requests))
    dear = Scenario(1 + doubt, 0.7, 1.25, 3 * TAIL, rest.most_requests, SLOW_REQUEST_SECONDS, others)
    worst = _future(rest, now, slow, windows, delay, dear)
    if worst.seconds == inf:
        return Sentence(state="too_long", text="GitHub's budgets do not reach to the end within months")
    low, high = min(best.seconds, middle.seconds), max(worst.seconds, middle.seconds)
    left = TimeLeft(from_seconds=int(low), to_seconds=ceil(high), reason=_reason(job, best, worst, now, others))
    return Outlook(left, min(max(middle.seconds, left.from_seconds), left.to_seconds))


def _unknown(job: JobState, rest: Rest) -> Sentence | None:
    if job.status != "in_progress":
        text = "It waits for its turn" if job.status == "pending" else "It has ended"
        return Sentence(state="queued" if job.status == "pending" else "ended", text=text)
    if job.cancel_requested_at is not None:
        return Sentence(state="stopping", text="It stops at the end of a page")
    if job.paused_at is not None:
        return Sentence(state="paused", text="It is paused")
    if job.waiting is not None and job.waiting.reason not in ("github_limit", "openai_limit"):
        words = {
            "github_away": "Nobody knows when GitHub answers again",
            "another_job": "It waits for another job that fetches the same",
            "no_worker": "No worker takes it",
        }
        return Sentence(state=job.waiting.reason, text=words.get(job.waiting.reason, "It waits for its turn"))
    if rest.uncounted:
        what = count(rest.uncounted, "data type", "data types")
        return Sentence(state="totals_unknown", text=f"GitHub has not counted {what} of its repositories yet")
    if not COUNTED.intersection(job.data_types):
        return Sentence(state="totals_unknown", text="Nobody counts events beforehand")
    return None


@dataclass(frozen=True, slots=True)
class _Pace:
    per_second: float
    points: float
    requests: float


def _pace(since: Mark, now: Mark) -> _Pace | None:
    """Returns the pace between two marks. Returns None if nothing was stored between the marks."""
    units, seconds = now.units - since.units, now.worked_seconds - since.worked_seconds
    if units <= 0 or seconds <= 0:
        return None
    return _Pace(units / seconds, (now.points - since.points) / units, (now.requests - since.requests) / units)


def _delay(job: JobState) -> float:
    """Returns the seconds until the job's waits are over. Returns 0 if the job does not wait."""
    moments = [job.waiting_until, job.waiting.until if job.waiting else None]
    return max((pace.at(each, job) for each in moments if each is not None), default=0.0)


def _future(
    rest: Rest, now: Mark, so_far: _Pace, windows: Sequence[Window], delay: float, scenario: Scenario
) -> Future:
    tail = scenario.tail * now.worked_seconds + (TAIL_SECONDS if scenario.tail else 0)
    per_second = so_far.per_second * scenario.pace
    # What the tail asks for comes out of the same budgets; what the lists ask for is known.
    work = rest.units * scenario.left + tail * per_second
    units = work + scenario.requests * scenario.request_seconds * per_second
    cost = {
        "graphql": so_far.points * scenario.cost * work / max(units, 1),
        "core": (so_far.requests * scenario.cost * work + scenario.requests) / max(units, 1),
    }
    shared = [
        replace(
            each,
            left=each.left / (1 + scenario.others),
            allowed=max(each.allowed / (1 + scenario.others), 1.0),
            period=min(each.period, scenario.longest_period),
        )
        for each in windows
    ]
    return simulate(units, per_second, cost, shared, max(delay, 0.0), scenario.resume_seconds)


def simulate(
    units: float,
    per_second: float,
    cost: Mapping[str, float],
    windows: Sequence[Window],
    delay: float,
    resume_seconds: float = RESUME_SECONDS,
) -> Future:
    """Simulates the work on `units`. Returns how long the work takes, and how often it waits for a budget.

    `per_second` is the pace, and `cost` is what one unit costs, by resource. The work stands still while a budget is
    used up. The work begins after `delay` seconds, and needs `resume_seconds` to resume after each wait. A resource
    without a window has no limit.
    """
    left = [each.left for each in windows]
    resets = [each.resets_in for each in windows]
    limiting = {each.resource for each in windows if cost.get(each.resource, 0) > 0}
    moment, waits = delay, 0
    for _ in range(MOST_WINDOWS):
        for place, each in enumerate(windows):
            if resets[place] <= moment:
                # GitHub's window begins with the first request after the reset.
                resets[place] = moment + each.period
                left[place] = each.allowed
        afford = {
            name: sum(max(left[place], 0) for place, each in enumerate(windows) if each.resource == name) / cost[name]
            for name in limiting
        }
        next_reset = min(resets, default=inf)
        by_reset = (next_reset - moment) * per_second if next_reset < inf else inf
        step = min(units, by_reset, *afford.values()) if afford else min(units, by_reset)
        for name in limiting:
            _spend(left, [place for place, each in enumerate(windows) if each.resource == name], step * cost[name])
        units -= step
        moment += step / per_second
        if units <= 1e-6:
            return Future(moment, waits)
        out = [name for name, number in afford.items() if number - step <= 1e-6]
        if out:
            waits += 1
            moment = max(
                min(resets[place] for place, each in enumerate(windows) if each.resource == name) for name in out
            )
            moment += resume_seconds
        else:
            moment = max(moment, next_reset)
    return Future(inf, waits)


def _spend(left: list[float], places: Sequence[int], amount: float) -> None:
    """Subtracts `amount` from the budgets in `left` whose indexes are in `places`. Takes from the largest budget first,
    down to 0, then from the next largest, because requests are reserved in the same order.
    """
    for place in sorted(places, key=lambda each: -left[each]):
        taken = min(max(left[place], 0.0), amount)
        left[place] -= taken
        amount -= taken


def _reason(job: JobState, best: Future, worst: Future, now: Mark, others: int) -> Sentence:
    if worst.waits:
        times = f"{best.waits}" if best.waits == worst.waits else f"{best.waits} to {worst.waits}"
        noun = "time" if times == "1" else "times"
        share = f", which {count(others, 'other job', 'other jobs')} may share" if others else ""
        text = f"GitHub's budget{share} will be used up {times} {noun} before the end; the waits are counted in"
        return Sentence(state="budget", text=text)
    until = job.waiting.until if job.waiting else job.waiting_until
    if until is not None:
        return Sentence(
            state="waiting", text="It goes on at {until}, and then at its pace so far", times={"until": until}
        )
    return Sentence(state="pace", text=f"At the pace of {_duration(now.worked_seconds)} so far")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return count(max(round(seconds), 1), "second")
    return count(round(seconds / 60), "minute") if seconds < 5_400 else count(round(seconds / 3_600), "hour")
