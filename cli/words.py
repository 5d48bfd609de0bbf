"""Formats times, amounts and durations in few words, and shortens names to the columns that there are."""

from datetime import datetime

from progress.sentences import Sentence
from progress.views import TimeLeft

_ELLIPSIS = "…"


def clock(moment: datetime, *, seconds: bool = False) -> str:
    """Returns hour and minute (and with `seconds` also the second), in local time."""
    return moment.astimezone().strftime("%H:%M:%S" if seconds else "%H:%M")


def date_and_time(moment: datetime) -> str:
    """Returns date, hour and minute, in local time."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def at(moment: datetime, now: datetime) -> str:
    """Returns hour and minute, in local time. If `moment` is on another day than `now`, returns the date, too."""
    return clock(moment) if moment.astimezone().date() == now.astimezone().date() else date_and_time(moment)


def say(sentence: Sentence, now: datetime) -> str:
    """Returns the sentence as text, with its times in local time."""
    return sentence.in_words(lambda moment: at(moment, now))


def size(number: float) -> str:
    """Returns a number of bytes as text, such as `1.23 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1_000:
            return f"{number:.3g} {unit}"
        number /= 1_000
    return f"{number:.3g} TB"


def duration(seconds: float) -> str:
    """Returns a duration as text, such as `45 s`, `12 min`, `3 h` or `4 days`."""
    return _ranged(seconds, seconds)


def time_left(left: TimeLeft) -> str:
    """Returns the time left as text, such as `10 to 14 min left`."""
    return f"{_ranged(left.from_seconds, left.to_seconds)} left"


def _ranged(least: float, most: float) -> str:
    for unit, length, enough in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3_600, 72 * 3_600), ("days", 86_400, 0)):
        if most < enough or not enough:
            low, high = round(least / length), max(round(most / length), 1)
            return f"{low} to {high} {unit}" if low < high else f"{high} {unit}"
    raise AssertionError("the last unit is for all that is left")


def rate(per_second: float) -> str:
    """Returns a rate as text, such as `340/s`, `3.4/s` or `24/min`. Returns an empty text for a rate near 0."""
    if per_second >= 0.95:
        return f"{per_second:,.0f}/s" if per_second >= 9.95 else f"{per_second:.1f}/s"
    per_minute = per_second * 60
    return f"{per_minute:.0f}/min" if per_minute >= 0.5 else ""


def few(number: int) -> str:
    """Returns a number as text in few columns, such as `12,345`, `123k` or `12.3M`."""
    if number < 100_000:
        return f"{number:,}"
    return f"{number // 1_000}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"


def cut_middle(name: str, width: int) -> str:
    """Returns the name in at most `width` columns. A name that is too long loses its middle, because beginning and end
    tell names apart best.
    """
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return name[: width - 1 - end] + _ELLIPSIS + name[len(name) - end :]
