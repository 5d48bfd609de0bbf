"""Estimates what it costs to read hours of GH Archive: files, bytes, time."""

import asyncio
from datetime import datetime

from cli.words import duration, size
from errors import BadInput, PartOver, RetryLater
from store import archive_reads

SAMPLES = 8
"""Files whose sizes are requested, to estimate the size of all."""
ASSUMED_BYTES_PER_SECOND = 20e6
"""Assumed download speed until a reading has shown it. Unpacking alone was measured at 40 to 80 MB/s on one core."""


async def archive_estimate(url: str, first: datetime, last: datetime, rate: float | None) -> list[str]:
    """Returns lines for people that say what it costs to read hours of GH Archive: files, bytes and time. `first` and
    `last` are the first and the last hour to be read. The function requests the sizes of at most `SAMPLES` files.

    `rate` is the speed of the latest readings in bytes a second, or None if nothing was read yet. Raises `BadInput` if
    the archive has none of these files, does not answer like an archive, or cannot be reached.
    """
    from github.events.archive import Archive, name_of

    total = (last - first) // archive_reads.HOUR + 1
    count = min(total, SAMPLES)
    places = [round(number * (total - 1) / max(count - 1, 1)) for number in range(count)]
    async with Archive(url) as client:
        try:
            sizes = await asyncio.gather(*(client.size(first + place * archive_reads.HOUR) for place in places))
        except (PartOver, RetryLater) as error:
            raise BadInput("GH_ARCHIVE_URL", error.message) from error
    there = [each for each in sizes if each.there]
    if not there:
        raise BadInput(
            "GH_ARCHIVE_URL",
            f"{url} has none of the {count} hours that were looked for, the first of them {name_of(first)}",
        )
    end = last + archive_reads.HOUR
    lines = [f"{total} hours, each a file: {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, from {url}"]
    lengths = [each.length for each in there if each.length is not None]
    if len(lengths) < len(there):
        lines.append("how many bytes that is the server does not say")
    else:
        length = sum(lengths) / count * total
        of = f"the sizes of {count} of the files" if count < total else "the sizes of all files"
        lines.append(f"about {size(length)} to download (an estimate by {of}), nothing of it kept on disk")
        pace = rate or ASSUMED_BYTES_PER_SECOND
        why = "as fast as the latest readings" if rate else "assumed, as nothing was read yet"
        lines.append(f"about {duration(length / pace)} at {size(pace)}/s ({why})")
    if missing := count - len(there):
        lines.append(f"{missing} of the {count} files looked for {'is' if missing == 1 else 'are'} missing")
    return [*lines, "no GitHub budget is used"]
