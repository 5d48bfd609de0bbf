"""Reads what GitHub does not show of a job's repositories, for people. Every present note counts, whichever job wrote
it.
"""

from store.database import Connection
from unshown import Unshown, UnshownThing

NAMED = 20
"""Notes named for each data type of a repository; `backfill_notes` holds all of them."""
NAMED_OF_JOB = 100

_OF_JOB = """
with notes as (
  select n.*, r.full_name as repository,
    row_number() over (partition by n.repository_id, n.data_type order by n.number nulls first, n.what, n.node_id) place
  from workspace_backfill_jobs j
  join workspace_backfill_progress p on p.backfill_job_id = j.id
  join backfill_notes n on n.repository_id = p.repository_id and n.data_type = any(j.backfill_types)
  join repositories r on r.id = n.repository_id
  where j.id = $1
), counted as (
  select repository_id, data_type, kind, what, sum(count)::integer as things, count(*)::integer as notes
  from notes group by 1, 2, 3, 4
), named as (
  select repository_id, data_type, jsonb_agg(jsonb_build_object(
    'repository', repository, 'data_type', data_type, 'number', number, 'what', what, 'kind', kind, 'count', count,
    'words', words, 'since', first_seen_at, 'last_seen_at', last_seen_at) order by place) as which
  from notes where place <= $2 group by 1, 2
)
select c.repository_id::text, c.data_type, n.which, sum(c.notes)::integer as notes,
  jsonb_agg(jsonb_build_object('kind', c.kind, 'what', c.what, 'things', c.things)) as by_kind
from counted c join named n using (repository_id, data_type) group by 1, 2, 3
"""


async def of_job(connection: Connection, job_id: str, *, named: int = NAMED) -> dict[tuple[str, str], Unshown]:
    """Returns what GitHub does not show of a job's repositories, by (repository id, data type). A type without notes is
    left out. At most `named` notes of each type are listed, but all notes are counted.
    """
    found = {}
    for row in await connection.fetch(_OF_JOB, job_id, named):
        by_kind: dict[str, dict[str, int]] = {}
        for each in row["by_kind"]:
            by_kind.setdefault(each["kind"], {})[each["what"]] = each["things"]
        found[row["repository_id"], row["data_type"]] = Unshown(
            things=sum(each["things"] for each in row["by_kind"]),
            by_kind=by_kind,
            which=[UnshownThing.model_validate(each) for each in row["which"]],
            more=row["notes"] - len(row["which"]),
        )
    return found


async def summary(connection: Connection, job_id: str) -> Unshown | None:
    """Returns what GitHub does not show of all repositories of a job together. Returns None if GitHub shows
    everything.
    """
    found = await of_job(connection, job_id)
    parts = sorted(found.values(), key=lambda its: (its.which[0].repository, its.which[0].data_type))
    if not parts:
        return None
    by_kind: dict[str, dict[str, int]] = {}
    for its in parts:
        for kind, by_what in its.by_kind.items():
            for what, number in by_what.items():
                kinds = by_kind.setdefault(kind, {})
                kinds[what] = kinds.get(what, 0) + number
    which = [each for its in parts for each in its.which]
    return Unshown(
        things=sum(its.things for its in parts),
        by_kind=by_kind,
        which=which[:NAMED_OF_JOB],
        more=sum(its.more for its in parts) + max(0, len(which) - NAMED_OF_JOB),
    )
