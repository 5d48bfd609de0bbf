-- What the work resumes from: the place of every sweep, and what it still has to fetch.

create table backfill_sweeps (
  backfill_job_id uuid not null references workspace_backfill_jobs (id) on delete cascade,
  repository_id uuid not null references repositories (id) on delete cascade,
  data_type text not null,
  status text not null default 'pending'
    check (status in ('pending', 'in_progress', 'completed', 'failed', 'skipped', 'canceled')),
  position jsonb not null default '{}',
  counts jsonb not null default '{}',
  expected integer,
  weight integer,
  share real not null default 0,
  most_stored integer not null default 0,
  least_left integer,
  least_expected integer,
  pages integer not null default 0,
  requests integer not null default 0,
  points integer not null default 0,
  attempts integer not null default 0,
  lease_token bigint not null default 0,
  lease_owner text,
  leased_at timestamptz,
  leg text check (leg in ('recent', 'historical')),
  waits_for jsonb,
  error jsonb,
  proof jsonb,
  started_at timestamptz,
  committed_at timestamptz,
  completed_at timestamptz,
  primary key (backfill_job_id, repository_id, data_type)
) with (
  -- Every page updates its row: room for versions on the same block, cleaned up often.
  fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
);
create index backfill_sweeps_repository on backfill_sweeps (repository_id);

comment on table backfill_sweeps is
  'One data type of one repository in one job. Changed only in the transaction that stores a page, by the lease''s holder.';
comment on column backfill_sweeps.position is 'The resume point: phase, cursor, floor, ... A killed worker goes on from here.';
comment on column backfill_sweeps.counts is 'Rows in scope that are stored, by noun.';
comment on column backfill_sweeps.expected is 'Threads that GitHub says there are; null: not asked yet.';
comment on column backfill_sweeps.weight is 'Written and read by workers of older releases alone, which may run beside this one.';
comment on column backfill_sweeps.share is 'As weight.';
comment on column backfill_sweeps.most_stored is
  'The most threads or embeddings that were ever stored: percentages are of it, so that no deletion makes one fall.';
comment on column backfill_sweeps.least_left is
  'The fewest that were ever left to store, as people see it; null: not known yet. It never rises.';
comment on column backfill_sweeps.least_expected is
  'The smallest total that people ever saw: as many embeddings are expected until the first one is stored.';
comment on column backfill_sweeps.points is 'GraphQL points that were spent.';
comment on column backfill_sweeps.attempts is 'Failures since the last commit. Waiting for a rate limit is none.';
comment on column backfill_sweeps.lease_token is 'Every takeover adds 1, and a commit with an older token is refused.';
comment on column backfill_sweeps.leg is 'The leg that the lease was taken for; null: by a release that did not say.';
comment on column backfill_sweeps.waits_for is
  'Pending and not null: other jobs'' sweeps of the same that go first, by job id, each with its last commit and since
   when it has stood there.';
comment on column backfill_sweeps.proof is 'Why this is complete: the counts compared, and the moment it is complete as of.';
comment on column backfill_sweeps.committed_at is 'The last page. Long ago and in progress: look at lease_owner and error.';

create table backfill_parts (
  backfill_job_id uuid not null,
  repository_id uuid not null,
  data_type text not null,
  kind text not null,
  node_id text not null,
  number integer,
  parent_github_id bigint,
  cursor text,
  expected integer,
  seen text[] not null default '{}',
  began_at timestamptz not null,
  attempts integer not null default 0,
  failure jsonb,
  reading text,
  split jsonb,
  primary key (backfill_job_id, repository_id, data_type, kind, node_id),
  foreign key (backfill_job_id, repository_id, data_type)
    references backfill_sweeps (backfill_job_id, repository_id, data_type) on delete cascade
) with (
  -- A queue: rows come and go, and dead ones would be read again by every poll.
  fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
);
create index backfill_parts_queue on backfill_parts (backfill_job_id, repository_id, data_type, began_at)
  where failure is null;
create index backfill_parts_going_on on backfill_parts (backfill_job_id, repository_id, data_type, kind)
  where failure is null and cursor is not null;
create index backfill_parts_parent on backfill_parts (repository_id, parent_github_id) where failure is null;

comment on table backfill_parts is
  'What a sweep has still to fetch: written with the page that needs it, deleted with the rows that fill it.';
comment on column backfill_parts.kind is 'What is missing: thread, timeline, review_comments, reviews, ...';
comment on column backfill_parts.node_id is 'GitHub''s node id of the parent whose part it is.';
comment on column backfill_parts.parent_github_id is 'Of the thread, or (review_comments) of the review.';
comment on column backfill_parts.number is 'The thread''s number, for people.';
comment on column backfill_parts.expected is 'totalCount of the connection.';
comment on column backfill_parts.seen is 'Children that are stored already; at the end those absent from it are deleted.';
comment on column backfill_parts.began_at is 'GitHub''s Date when the first page of the parent was asked for.';
comment on column backfill_parts.reading is
  'What the last reading to the connection''s end brought, where GitHub counts more: the same twice is final.';
comment on column backfill_parts.split is
  'Of a timeline that fails as a whole: the item types that are left, and what came of the others.';
comment on column backfill_parts.failure is 'Why it was given up; the sweep went on without it.';

create table backfill_coverage (
  repository_id uuid not null references repositories (id) on delete cascade,
  data_type text not null,
  plan_version integer not null,
  low timestamptz not null,
  as_of timestamptz not null,
  position jsonb not null default '{}',
  counts jsonb not null default '{}',
  left_out text[] not null default '{}',
  swept_by uuid references workspace_backfill_jobs (id) on delete set null,
  primary key (repository_id, data_type)
);
create index backfill_coverage_swept_by on backfill_coverage (swept_by);

comment on table backfill_coverage is
  'What of which repository and type is stored whole, whichever job paid for it: the next job fetches only the rest.';
comment on column backfill_coverage.plan_version is 'What was fetched. A plan that fetches more takes nothing over.';
comment on column backfill_coverage.left_out is
  'What the server''s schema lacked, so that it was not asked for: once the server has it, nothing is taken over.';
comment on column backfill_coverage.low is 'Down to here, -infinity for all of it: what changed since is stored.';
comment on column backfill_coverage.as_of is 'As it was at this moment.';
comment on column backfill_coverage.position is 'Cursors to go on from below low, and what was counted.';
comment on column backfill_coverage.counts is
  'Rows from low on, by noun, when it was swept: with fewer left it covers nothing any more.';
comment on column backfill_coverage.swept_by is 'The job that ended it last.';
