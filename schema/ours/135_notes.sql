-- What GitHub will not give for good. A fact about GitHub and not about a job: notes outlive jobs, and go with their
-- repository.

create table backfill_notes (
  repository_id uuid not null references repositories (id) on delete cascade,
  data_type text not null,
  what text not null,
  node_id text not null default '',
  kind text not null,
  number integer,
  count integer not null default 1,
  words text not null default '',
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  seen_by uuid references workspace_backfill_jobs (id) on delete set null,
  primary key (repository_id, data_type, what, node_id),
  check (kind in ('hidden', 'refused', 'unavailable'))
);
create index backfill_notes_number on backfill_notes (repository_id, data_type, number);
create index backfill_notes_seen_by on backfill_notes (seen_by);

comment on table backfill_notes is
  'What GitHub will not give for good, such as the hidden comments of a thread. A type with notes is complete without it; the next sweep looks again, and deletes the note of what is whole then.';
comment on column backfill_notes.data_type is 'Whose sweep missed it: pull_requests, issues, discussions, events.';
comment on column backfill_notes.what is 'What is missing, in GitHub''s word: timeline, comments, reviews, thread, stargazers, ...';
comment on column backfill_notes.node_id is
  'GitHub''s node id of the parent that the next sweep asks for again; empty where it is of the repository.';
comment on column backfill_notes.kind is
  'hidden: counted and never shown. refused: denied in words (a permission, a policy). unavailable: fails at every size and by every way.';
comment on column backfill_notes.number is 'The thread''s number, for people; null where it is of the repository.';
comment on column backfill_notes.count is 'How many are missing.';
comment on column backfill_notes.words is 'GitHub''s words, or why it is certain.';
comment on column backfill_notes.first_seen_at is 'Since when it is known to be missing.';
comment on column backfill_notes.last_seen_at is 'When a sweep found it missing last.';
comment on column backfill_notes.seen_by is 'The job of that sweep; null: that job was deleted.';
