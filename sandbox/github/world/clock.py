"""The time in the world, and the format in which the stand-in keeps times."""

from datetime import UTC, datetime, timedelta

Stamp = str
"""A time as GitHub writes it, `2019-11-01T20:58:13Z`: whole seconds, UTC, and therefore ordered as text."""


def stamp(moment: datetime) -> Stamp:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(at: Stamp) -> datetime:
    """Returns the datetime of a stamp, in UTC if the stamp names no time zone. Raises `ValueError` if the text is not
    ISO 8601.
    """
    parsed = datetime.fromisoformat(at)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def after(at: Stamp, seconds: float) -> Stamp:
    return stamp(moment(at) + timedelta(seconds=seconds))


class Clock:
    """A clock that runs with real time. It starts at `at`, or at the present time if `at` is None. After `stop`, only
    `set` and `advance` move the clock.
    """

    def __init__(self, at: datetime | None = None, *, stopped: bool = False) -> None:
        self._offset = timedelta()
        self._stopped: datetime | None = None
        if stopped:
            self._stopped = at or datetime.now(UTC)
        elif at is not None:
            self.set(at)

    def now(self) -> datetime:
        return self._stopped if self._stopped is not None else datetime.now(UTC) + self._offset

    def stamp(self) -> Stamp:
        return stamp(self.now())

    def stop(self) -> None:
        self._stopped = self.now()

    def set(self, at: datetime) -> None:
        if self._stopped is not None:
            self._stopped = at
        self._offset = at - datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        step = timedelta(seconds=seconds)
        if self._stopped is not None:
            self._stopped += step
        self._offset += step
