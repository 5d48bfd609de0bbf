"""Decides how a sweep resumes an earlier sweep. Each source gets the place at which its reading resumes, and the moment
down to which its new items are read.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from activities.events.odd_pages import pages_to_look_at
from activities.events.position import SOURCES, EventPlace, EventPosition, EventSourceName
from activities.turn import CLOCK_SLACK
from store.coverage import Coverage

FRESH = timedelta(hours=1)
"""Sources read more recently than this are not read again: one request to the events API finds the news."""
SHORT = 1_000
"""Most items of a list that is read whole again if an earlier sweep was not shown all of it."""
EVENTS_LAG = timedelta(days=1)
"""Longest delay until GitHub's events API shows an event."""
WEEK = timedelta(weeks=1)


def begin(position: EventPosition, covered: Coverage | None, cutoff_at: datetime, now: datetime) -> EventPosition:
    """Returns the position at which a sweep begins. `covered` is the coverage of earlier sweeps, and the new sweep
    resumes from this coverage. The new sweep begins at the top of every source if `covered` is None, or if `covered` is
    complete only up to a moment before the cutoff.
    """
    if covered is None or covered.as_of - CLOCK_SLACK < cutoff_at:
        return position.begin()
    left = EventPosition.read(covered.position)
    taken_over = position.take_over(left, low=covered.low, as_of=covered.as_of)
    return inherit(taken_over, cutoff_at, fresh=abs(now - covered.as_of) <= FRESH)


def is_deep_enough(position: EventPosition, cutoff_at: datetime) -> bool:
    """Returns whether an earlier sweep read the events down to `cutoff_at` or further. `position` resumes that sweep.
    Returns False if `position` resumes no sweep.
    """
    return position.low is not None and position.low <= cutoff_at


def is_stale(position: EventPosition, now: datetime) -> bool:
    """Returns whether the events of an earlier sweep are complete only up to a moment over an hour before `now`.
    `position` resumes that sweep. The events since then may be more than one request to the events API returns.

    Returns False if `position` resumes no sweep.
    """
    return position.inherited_as_of is not None and now - position.inherited_as_of > FRESH


def without_future(place: EventPlace, now: datetime) -> EventPlace:
    """Returns the place without `until` if that moment is later than `now`, GitHub's present time. GitHub's clock was
    set back then: new items are dated before `until`, and the list is read down to the cutoff.
    """
    return replace(place, until=None) if place.until is not None and now < place.until else place


def inherit(position: EventPosition, cutoff_at: datetime, *, fresh: bool) -> EventPosition:
    """Returns the position with the place at which each source resumes. `position` resumes an earlier sweep. A source
    is open if the new sweep has to read something of the source. All other sources are complete.

    `fresh` says whether the earlier sweep's events are complete up to a moment within the last hour. If so, only the
    events API is read for news. An unfinished source then resumes where the earlier sweep stopped. Of a finished
    source, only the pages on which GitHub did not show every item are requested again.

    If not `fresh`, each source is read from its top down to the moment up to which the earlier sweep's events are
    complete. Reading then continues where the earlier sweep stopped.
    """
    deep_enough = is_deep_enough(position, cutoff_at)
    as_of = position.inherited_as_of
    assert as_of is not None, "what is inherited has its bounds"
    places = {
        source: _inherited(
            source, position.places.get(source, EventPlace()), as_of, deep_enough=deep_enough, fresh=fresh
        )
        for source in SOURCES
    }
    stars = places["star_history"]
    if fresh and stars.status == "open" and stars.oldest:
        places["star_history"] = go_below(position, "star_history", stars, cutoff_at)
    return position.inherit(places, fresh=fresh)


def _inherited(
    source: EventSourceName, left: EventPlace, as_of: datetime, *, deep_enough: bool, fresh: bool
) -> EventPlace:
    if left.status == "open" and left.below is not None and deep_enough:
        left = left.assume_complete()
    done = left.status != "open" and (left.reached_end or deep_enough)
    if source in ("threads", "events"):
        # Nothing of the events API can be gone on from: its pages are numbered from the top.
        # One that was skipped was not read at all.
        until = as_of - EVENTS_LAG if source == "events" and done and left.status == "complete" else None
        return EventPlace(until=until, reached_end=left.reached_end, noted=left.kind is not None)
    if left == EventPlace(way=left.way, noted=left.noted, reason=left.reason):
        # Nothing of it was read.
        return left
    if left.status == "skipped":
        # GitHub may show now what it did not give then, however short a time ago that was.
        return EventPlace.look_again(left.way) if left.kind else EventPlace(way=left.way)
    is_short = source == "releases" or (left.total is not None and left.total <= SHORT)
    top = next((page for page in left.odd if page.cursor is None), None)
    is_unknown = (left.tail and left.below is None) or (left.hidden + left.unserved and not left.odd)
    if left.absent and (is_short or (not left.way and (is_unknown or (top is not None and top.oldest is None)))):
        # The whole list is read again: it is short, or nobody knows where the items were missing.
        return EventPlace(way=left.way, reason=left.reason if left.way else "")
    # REST numbers its pages from the top: what was deleted since would be skipped by going on below.
    below = None if left.way else left.below
    odd = [replace(page, offset=None) for page in left.odd]
    again = [] if left.way else pages_to_look_at([page for page in odd if page.cursor is not None])
    ended_early = left.tail > 0 and below is not None
    if fresh and done and not ended_early and top is None:
        return replace(left, status="open", odd=odd, again=again, only_again=True) if again else left
    if left.way and source == "releases":
        # GraphQL tells less of them than REST, and all are read by each sweep.
        return EventPlace.look_again()
    # New items may have moved what was missing at the top: it is read again down to where the top ended then.
    news = None if fresh else as_of - CLOCK_SLACK
    if top is not None and top.oldest is not None and not left.way:
        news = min(news or top.oldest, top.oldest)
    return EventPlace(
        cursor=below if news is None else None,
        until=news,
        below=below,
        reason=left.reason if left.way else "",
        reached_end=left.reached_end,
        oldest=left.oldest,
        bottom=left.bottom if deep_enough else [],
        gone=left.gone,
        way=left.way,
        hidden=left.hidden,
        missing=left.missing,
        unserved=left.unserved,
        total=left.total,
        odd=odd,
        again=again,
    )


def go_below(position: EventPosition, source: EventSourceName, place: EventPlace, cutoff_at: datetime) -> EventPlace:
    """Returns the place from which the source continues below the items that an earlier sweep read. Returns a complete
    place if no older items are in scope.
    """
    if place.tail and place.below is not None:
        # GitHub counts more than it showed before the list ended there.
        return place.move_below(place.below)
    if place.reached_end or is_deep_enough(position, cutoff_at) or source == "events":
        return place.complete()
    cursor = place.below
    if source == "star_history" and place.oldest is not None:
        # Its pages are counted from the present week, and weeks have gone by. The week where the earlier sweep ended
        # may be asked for twice; none is left out.
        as_of = position.as_of or position.inherited_as_of
        assert as_of is not None, "something was read"
        cursor = str(max(0, (as_of - place.oldest) // WEEK + 1))
    return place.move_below(cursor)
