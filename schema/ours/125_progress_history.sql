-- How a job came along: written once a second at most by one process for all jobs, never by the work itself.

create table backfill_samples (
  backfill_job_id uuid not null references workspace_backfill_jobs (id) on delete cascade,
  at timestamptz not null,
  attempt integer not null,
  worked_seconds double precision not null,
  rows jsonb not null,
  units integer not null,
  points integer not null,
  requests integer not null,
  primary key (backfill_job_id, at)
);

comment on table backfill_samples is
  'What a job had stored, from time to time: at most 240 of each job, evenly over the time that it takes.';
comment on column backfill_samples.worked_seconds is 'Since the attempt began, without pauses and waits.';
comment on column backfill_samples.rows is 'Rows in scope that were stored, by data type.';
comment on column backfill_samples.units is 'Threads and embeddings that were stored: what time left is reckoned in.';
comment on column backfill_samples.points is 'GraphQL points that the job had spent.';
comment on column backfill_samples.requests is 'REST requests that the job had made.';

create table backfill_waits (
  backfill_job_id uuid not null references workspace_backfill_jobs (id) on delete cascade,
  since timestamptz not null,
  reason text not null,
  until timestamptz,
  detail text not null default '',
  ended_at timestamptz,
  primary key (backfill_job_id, since)
);

comment on table backfill_waits is
  'When nothing of a job went on, and why: the latest 500 of each job. workspace_backfill_progress has the present ones.';
comment on column backfill_waits.until is 'When it was to go on, as far as that was known.';
comment on column backfill_waits.ended_at is 'When it went on, or ended; null: it waits.';

create table backfill_tallies (
  backfill_job_id uuid primary key references workspace_backfill_jobs (id) on delete cascade,
  attempt integer not null,
  counted_to uuid not null,
  tally jsonb not null
) with (fillfactor = 50);

comment on table backfill_tallies is
  'Sums over the repositories of a job that are counted already, fifty a second; gone when all are.';
comment on column backfill_tallies.counted_to is 'The id of the last repository that is counted.';
