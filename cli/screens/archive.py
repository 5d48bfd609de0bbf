"""Shows a reading of GH Archive."""

from datetime import UTC

from rich.console import RenderableType
from rich.table import Table

from cli.screens.status_word import status_word
from cli.words import size
from store import archive_reads
from store.archive_reads import ArchiveView

MOST_NAMED = 50
"""Most repositories that are named."""


def table_of_reading(view: ArchiveView) -> RenderableType:
    end = view.last_hour + archive_reads.HOUR
    table = Table.grid(padding=(0, 2))
    table.add_row("reading", view.id)
    table.add_row("workspace", view.workspace_name)
    table.add_row("status", status_word(view.status))
    table.add_row("repositories", ", ".join(view.repositories[:MOST_NAMED]) or "none is left")
    table.add_row("event types", ", ".join(view.event_types or ()) or "all that no other source gives")
    table.add_row(
        "hours", f"{view.first_hour.astimezone(UTC):%Y-%m-%d %H:%M} to {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    table.add_row(
        "read", f"{view.hours_read} of {view.hours_total}, {view.hours_missing} of them missing in the archive"
    )
    table.add_row(
        "next", f"{view.next_hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if view.hours_read < view.hours_total else ""
    )
    if view.hours_damaged:
        table.add_row("damaged", f"{view.hours_damaged} hours, of which was stored what could be read")
    table.add_row("events stored", str(view.events_stored))
    table.add_row("malformed lines", str(view.lines_malformed))
    table.add_row("downloaded", size(view.bytes_read))
    if view.committed_at:
        table.add_row("last hour stored", f"{view.committed_at.astimezone():%Y-%m-%d %H:%M:%S}")
    if view.error:
        action = f" ({view.error.action})" if view.error.action else ""
        table.add_row("why", f"{view.error.code}: {view.error.message}{action}")
    return table
