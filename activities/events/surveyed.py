"""Uses the counts of a survey to save requests. Lists that GitHub counts as empty are not read. The events API is not
read if nothing has changed.
"""

from collections.abc import Mapping

from activities.events.counted import Counted
from activities.events.inheritance import is_stale
from activities.events.odd_pages import OddPage
from activities.events.position import EventPosition, EventSourceName
from activities.events.source import SIZES
from github.surveys.counts import Survey


def counted_by(survey: Survey) -> Counted:
    latest = [each.entries[0].updated_at for each in survey.threads.values() if each.entries]
    return Counted(
        stars=survey.stars,
        forks=survey.forks,
        releases=survey.releases,
        pushed_at=survey.pushed_at,
        head=survey.head,
        threads=sum(each.total for each in survey.threads.values()),
        latest=max(latest, default=None),
    )


def without_what_is_empty(position: EventPosition, survey: Survey, stored: Mapping[str, int]) -> EventPosition:
    """Returns the position in which every list that GitHub counts as empty is complete. The sweep does not read these
    lists.

    `stored` maps each source to the number of its stored rows in scope. A source with stored rows is read in any case,
    because the rows contradict GitHub's count.
    """
    empty: dict[EventSourceName, bool] = {
        "stargazers": survey.stars == 0,
        # The head of the default branch comes with the forks: here it has to be told instead.
        "forks": survey.forks == 0 and (survey.head is not None or survey.never_pushed),
        "releases": survey.releases == 0,
        "activity": survey.never_pushed,
    }
    for source, is_empty in empty.items():
        place = position.places[source]
        if (
            not is_empty
            or place.status != "open"
            or not place.is_at_top
            or place.noted
            or place.absent
            or stored.get(source)
        ):
            continue
        place = place.after_page(survey.asked_at, OddPage(cursor=None, size=SIZES[0]), total=0).complete_at(None)
        position = position.with_place(source, place).after_answer(survey.asked_at)
        if source == "forks" and not position.fresh:
            position = position.with_branch(survey.branch, survey.head)
    return position


def without_news(position: EventPosition, survey: Survey) -> EventPosition:
    """Returns the position in which the events API counts as read, if GitHub's counts have not changed since an earlier
    sweep. The earlier sweep's events must be complete up to a moment within the last hour. `as_of` stays at that
    moment.

    Otherwise returns `position` unchanged.
    """
    counted, place = counted_by(survey), position.places["events"]
    if place.until is None:
        # It was not read then, or not as far down: what it lacks is no news.
        return position
    if position.fresh and position.counted == counted and not is_stale(position, survey.asked_at):
        return position.with_place("events", place.complete())
    return position
