-- Children that a whole reading of their thread did not show, until it is certain that GitHub deleted them
-- (docs/decisions/0013-deletions.md).

create table backfill_absences (
  repository_id uuid not null references repositories (id) on delete cascade,
  data_type text not null,
  child text not null,
  node_id text,
  thread bigint not null,
  first_missed_at timestamptz not null,
  last_missed_at timestamptz not null,
  many boolean not null default false,
  gone_to text[] not null default '{}',
  asked_in uuid,
  asked text[] not null default '{}',
  refuted boolean not null default false,
  primary key (repository_id, data_type, child)
);

comment on table backfill_absences is
  'Stored reviews, comments and timeline events that a whole reading of their thread did not show. They are deleted once GitHub says by id that they are gone, and dropped from here once they are shown again.';
comment on column backfill_absences.data_type is 'Of the thread: pull_requests, issues, discussions.';
comment on column backfill_absences.child is
  'issue_comment:, review_comment:, review: or discussion_comment: and GitHub''s id, or event: and the node id.';
comment on column backfill_absences.node_id is 'What GitHub is asked by; null: a row of the host''s or of an old release.';
comment on column backfill_absences.thread is 'GitHub''s id of the thread.';
comment on column backfill_absences.first_missed_at is 'GitHub''s time of the first reading without it.';
comment on column backfill_absences.last_missed_at is 'GitHub''s time of the last reading without it.';
comment on column backfill_absences.many is
  'Most of its parent''s children, or more than a handful, went at once: GitHub is asked only some minutes later.';
comment on column backfill_absences.gone_to is 'Accounts to whom GitHub said by id that it does not exist.';
comment on column backfill_absences.asked_in is 'The job that asked last.';
comment on column backfill_absences.asked is 'Accounts that asked in that job; each asks once.';
comment on column backfill_absences.refuted is 'GitHub has it by id: the reading without it was wrong.';

create table backfill_readers (
  repository_id uuid not null references repositories (id) on delete cascade,
  data_type text not null,
  account text not null,
  primary key (repository_id, data_type, account)
);

comment on table backfill_readers is
  'The accounts that read a data type of a repository. What is stored may be what only one of them is shown, so that nothing is deleted unless it is gone to all of them.';
