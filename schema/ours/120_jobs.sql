-- A job, and the mirror of its repositories for people: what the status API and the settings page read.

create table workspace_backfill_jobs (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  addon_type text not null default 'extended_data_retention',
  subscription_addon_id uuid references subscription_addons (id) on delete set null,
  retention_days integer not null check (retention_days > 0),
  cutoff_at timestamptz not null,
  backfill_types text[] not null,
  repositories_selected uuid[],
  requested_by text check (requested_by in ('purchase', 'operator', 'api', 'reconciler')),
  purchase_key text,
  status text not null default 'pending'
    check (status in ('pending', 'in_progress', 'completed', 'failed', 'canceled')),
  total_repositories integer not null default 0,
  completed_repositories integer not null default 0,
  failed_repositories integer not null default 0,
  signaled_at timestamptz,
  attempt integer not null default 0,
  transition integer not null default 0,
  started_at timestamptz,
  completed_at timestamptz,
  estimated_completion_at timestamptz,
  error_message text,
  error_details jsonb default '[]',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 70);
create index workspace_backfill_jobs_latest on workspace_backfill_jobs (workspace_id, created_at);
create index workspace_backfill_jobs_open on workspace_backfill_jobs (created_at)
  where status in ('pending', 'in_progress');
create index workspace_backfill_jobs_addon on workspace_backfill_jobs (subscription_addon_id);
create index workspace_backfill_jobs_pause_changed on workspace_backfill_jobs (id)
  where metadata ? 'pause_changed_at';
create unique index workspace_backfill_jobs_purchase on workspace_backfill_jobs (workspace_id, purchase_key)
  where purchase_key is not null;

comment on table workspace_backfill_jobs is 'One backfill of one workspace. Committed before Temporal hears of it.';
comment on column workspace_backfill_jobs.cutoff_at is
  'created_at - retention_days, fixed once: threads updated and events created since then are fetched, by retries too.';
comment on column workspace_backfill_jobs.repositories_selected is 'Only these repositories; null: all of the workspace.';
comment on column workspace_backfill_jobs.purchase_key is
  'What was bought: however many events tell of one purchase, they make one job. Null for manual jobs.';
comment on column workspace_backfill_jobs.signaled_at is
  'When Temporal heard of the job; null: not yet, and the reconciler signals again.';
comment on column workspace_backfill_jobs.attempt is '0 for the first run, +1 with every retry.';
comment on column workspace_backfill_jobs.transition is
  'Orders the writes of one attempt: one with a lower (attempt, transition) loses.';
comment on column workspace_backfill_jobs.failed_repositories is
  'Repositories of which at least one data type failed. The job is failed only if this is all of them.';
comment on column workspace_backfill_jobs.error_details is 'Every failure: repository, data type, class, message, cursor.';
comment on column workspace_backfill_jobs.metadata is
  'paused_at and paused_by (the job is paused), fresh (what is covered is fetched again), retry (what the present attempt
   does again), retries_waiting (what the next ones do), audit (the latest 100 requests: who, when, from where), errors
   (the latest 100 failures), as_of by data type and the proofs of completeness by repository and type.';

create table workspace_backfill_progress (
  id uuid primary key default gen_random_uuid(),
  backfill_job_id uuid not null references workspace_backfill_jobs (id) on delete cascade,
  repository_id uuid not null references repositories (id) on delete cascade,
  status text not null default 'pending'
    check (status in ('pending', 'in_progress', 'completed', 'failed', 'canceled', 'skipped')),
  data_types_completed text[] not null default '{}',
  data_types_failed text[] not null default '{}',
  data_types_skipped text[] not null default '{}',
  pull_requests_count integer not null default 0,
  issues_count integer not null default 0,
  discussions_count integer not null default 0,
  comments_count integer not null default 0,
  reviews_count integer not null default 0,
  events_count integer not null default 0,
  embeddings_count integer not null default 0,
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  retry_count integer not null default 0,
  attempt integer not null default 0,
  transition integer not null default 0,
  metadata jsonb not null default '{}',
  unique (backfill_job_id, repository_id)
) with (fillfactor = 70);
create index workspace_backfill_progress_repository on workspace_backfill_progress (repository_id);

comment on table workspace_backfill_progress is
  'How far a job is with a repository, for people; what the work itself resumes from is backfill_sweeps.';
comment on column workspace_backfill_progress.pull_requests_count is
  'This and its siblings: rows in scope that are stored, whoever fetched them.';
comment on column workspace_backfill_progress.transition is
  'Orders the writes of one attempt: one with a lower (attempt, transition) loses.';
comment on column workspace_backfill_progress.metadata is
  'waiting (what the repository waits for: reason, since, until, detail, job_id, and data_types, if others of its types
   go on), waiting_until (nothing of it can go on before), and name_at_start (what it was called when the job began: its
   workflow''s id has it).';

create table reconciler_turns (
  name text primary key,
  ends_at timestamptz not null
);

comment on table reconciler_turns is
  'Until when one process alone compares jobs with Temporal (reconciler/). It saves requests and is no lock.';
