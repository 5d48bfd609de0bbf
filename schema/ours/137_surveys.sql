-- What one request told of many repositories' lists, for the sweeps of the job that sent it
-- (docs/decisions/0029-surveys.md).

create table backfill_surveys (
  backfill_job_id uuid not null references workspace_backfill_jobs (id) on delete cascade,
  repository_id uuid not null references repositories (id) on delete cascade,
  survey jsonb not null,
  answers bytea,
  told_at timestamptz not null default now(),
  answered_at timestamptz,
  primary key (backfill_job_id, repository_id)
);

create index backfill_surveys_repository on backfill_surveys (repository_id);

comment on table backfill_surveys is
  'What GitHub counted of a repository''s lists, and what changed last in them, at a job''s beginning; deleted at its end. What it counts as empty is covered without being opened; later jobs find in it that nothing is new.';
comment on column backfill_surveys.survey is 'As github/surveys/counts.py writes it.';
comment on column backfill_surveys.answers is
  'Of a small repository: what its sweeps need not ask for, as github/transport/prefetched.py packs it; used once, however late.';
comment on column backfill_surveys.told_at is 'Ten minutes later no sweep uses the survey any more.';
comment on column backfill_surveys.answered_at is
  'When the answers came. After ten minutes a sweep that takes them also asks what has changed since.';
