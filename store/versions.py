"""Decides which of two versions of a row is the newer one (docs/sweep.md, threads, rule 5)."""

# A version that GitHub dates later than the question for it comes from a wrong clock. GitHub may correct it, and then
# shows an earlier updatedAt. Of such a version, only the moment of the question counts.
REPLACES = """
  case when t.updated_at > t.last_synced_at + interval '5 minutes' then t.last_synced_at <= excluded.last_synced_at
  else (coalesce(t.updated_at, '-infinity'), coalesce(t.last_synced_at, '-infinity'))
    <= (excluded.updated_at, excluded.last_synced_at) end
"""
"""The condition of an upsert under which the new version, `excluded`, replaces the stored row, `t`."""
