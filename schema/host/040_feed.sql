-- What the host's screens show as it happens: GitHub's events, by month, and the bell.

create table github_events_cache (
  id uuid not null default gen_random_uuid(),
  event_id text not null,
  event_type text not null,
  actor_login text not null,
  repository_owner text not null,
  repository_name text not null,
  payload jsonb not null,
  created_at timestamptz not null,
  processed boolean default false,
  is_privileged boolean default false,
  source text                         -- ours: where we read it (rows.EventSource); null: the host stored it
) partition by range (created_at);
create unique index github_events_cache_event on github_events_cache (event_id, created_at);
-- What may be the same happening: by its moment, or, of what happens once, by what it is of.
create index github_events_cache_moment
  on github_events_cache (repository_owner, repository_name, event_type, created_at);
create index github_events_cache_identity on github_events_cache (
  (coalesce(payload ->> 'head', payload ->> 'after', payload #>> '{forkee,id}', payload #>> '{release,id}'))
);

create table notifications (
  id uuid primary key default gen_random_uuid(),
  user_id uuid,
  operation_id text not null,
  operation_type text not null check (operation_type in ('repository_tracking', 'backfill', 'sync', 'other')),
  repository text,
  status text not null check (status in ('started', 'completed', 'failed', 'error')),
  title text not null,
  message text,
  metadata jsonb default '{}',
  read boolean default false,
  created_at timestamptz,
  updated_at timestamptz
);
