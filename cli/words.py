"""Moments, sizes and durations in few words."""

from datetime import datetime


def clock(moment: datetime, *, seconds: bool = False) -> str:
    """Hour and minute, in local time."""
    return moment.astimezone().strftime("%H:%M:%S" if seconds else "%H:%M")


def date(moment: datetime) -> str:
    """Day, hour and minute, in local time."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def size(number: float) -> str:
    """Of so many bytes: `1.23 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1_000:
            return f"{number:.3g} {unit}"
        number /= 1_000
    return f"{number:.3g} TB"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h`."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3_600:.0f} h"
