-- What GitHub has and the host has no table for.

create table issue_events (
  node_id text primary key,
  issue_id uuid references issues (id) on delete cascade,
  pull_request_id uuid references pull_requests (id) on delete cascade,
  repository_id uuid not null references repositories (id) on delete cascade,
  event_type text not null,
  actor_login text,
  created_at timestamptz not null,
  payload jsonb not null default '{}',
  check ((pull_request_id is null) <> (issue_id is null))
);
create index issue_events_issue on issue_events (issue_id) where issue_id is not null;
create index issue_events_pull_request on issue_events (pull_request_id) where pull_request_id is not null;
create index issue_events_repository on issue_events (repository_id);

comment on table issue_events is 'The timeline of an issue or a pull request: labeled, closed, renamed, cross-referenced, ...';
comment on column issue_events.event_type is 'In the words of GitHub''s REST API.';
comment on column issue_events.actor_login is 'Null: the account was deleted.';

create table repository_star_history (
  repository_id uuid not null references repositories (id) on delete cascade,
  day date not null,
  stars integer not null,
  primary key (repository_id, day)
);

comment on table repository_star_history is
  'Stars given on a day (UTC), where GitHub shows counts but not who gave them.';
