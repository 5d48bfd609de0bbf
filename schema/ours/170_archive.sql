-- Readings of GH Archive: what was asked for, and the hour at which a reading goes on.

create table archive_reads (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  repository_ids uuid[] not null,
  event_types text[],
  first_hour timestamptz not null,
  last_hour timestamptz not null,
  next_hour timestamptz not null,
  hours_missing integer not null default 0,
  hours_damaged integer not null default 0,
  lines_malformed integer not null default 0,
  events_stored integer not null default 0,
  bytes_read bigint not null default 0,
  seconds_read double precision not null default 0,
  status text not null default 'pending' check (status in ('pending', 'in_progress', 'completed', 'failed', 'canceled')),
  error jsonb,
  attempts integer not null default 0,
  lease_token bigint not null default 0,
  lease_owner text,
  leased_at timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  committed_at timestamptz,
  completed_at timestamptz,
  check (first_hour <= last_hour)
) with (
  -- Every hour updates its row.
  fillfactor = 50
);
create index archive_reads_workspace on archive_reads (workspace_id);
create index archive_reads_open on archive_reads (created_at) where status in ('pending', 'in_progress');

comment on table archive_reads is
  'A reading of GH Archive for some repositories of a workspace (starter.py archive). Changed only in the transaction that
   stores an hour, by the lease''s holder.';
comment on column archive_reads.repository_ids is 'Whose events are stored, as asked for; matched by GitHub''s ids.';
comment on column archive_reads.event_types is 'Which are; null: those that GitHub itself tells nowhere any more.';
comment on column archive_reads.first_hour is 'The first hour that is read: it and its siblings are whole hours, UTC.';
comment on column archive_reads.last_hour is 'The last hour that is read.';
comment on column archive_reads.next_hour is
  'The resume point: every hour before it is stored. A killed worker goes on from here; after last_hour: all is read.';
comment on column archive_reads.hours_missing is 'Hours that the archive lacks. The worker''s log names them.';
comment on column archive_reads.hours_damaged is
  'Hours whose file is damaged where the archive keeps it: what could be read of them is stored. The log names them.';
comment on column archive_reads.lines_malformed is 'Lines of the archive that are no event; they were left out.';
comment on column archive_reads.events_stored is 'Rows that are new in github_events_cache; what was there is not counted.';
comment on column archive_reads.bytes_read is 'Downloaded, of hours that are stored.';
comment on column archive_reads.seconds_read is 'How long that took; the next reading''s estimate goes by it.';
comment on column archive_reads.attempts is 'Failures since the last commit. Waiting for a limit is none.';
comment on column archive_reads.lease_token is 'Every takeover adds 1, and a commit with an older token is refused.';
comment on column archive_reads.committed_at is 'The last hour. Long ago and in progress: look at lease_owner and error.';
