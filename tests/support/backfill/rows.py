"""Reads every row of ours, in a form in which two databases can be compared."""

from tests.support.shop import connected

OURS = (
    *("workspace_backfill_jobs", "workspace_backfill_progress", "backfill_sweeps", "backfill_parts"),
    *("backfill_coverage", "backfill_readers", "backfill_absences", "notifications", "notification_outbox"),
    *("backfill_samples", "backfill_waits", "backfill_tallies", "reconciler_turns", "backfill_surveys"),
    *("github_budgets", "github_reservations", "github_requests", "github_prices"),
)
CHANGES_BY_DESIGN = {"repositories": ("last_synced_at",)}


async def all_rows(dsn: str) -> dict[str, str]:
    """Returns a checksum of each table's rows, without what is about our jobs."""
    async with connected(dsn) as connection:
        tables = await connection.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        return {
            name: await connection.fetchval(
                f"select md5(string_agg(row, e'\\n' order by row)) from"
                f" (select (to_jsonb(t) - $1::text[])::text as row from {name} t) rows",
                CHANGES_BY_DESIGN.get(name, ()),
            )
            for (name,) in tables
            if name not in OURS
        }
