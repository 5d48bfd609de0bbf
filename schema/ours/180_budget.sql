-- GitHub's budgets: one pool by account, shared by all workers, and what every request cost.

create table github_budgets (
  account text not null,
  resource text not null check (resource in ('graphql', 'core')),
  state jsonb not null default '{}',
  updated_at timestamptz not null default now(),
  primary key (account, resource)
) with (
  -- Every request updates its account's row twice.
  fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
);

comment on table github_budgets is
  'What an account may still spend: the windows that GitHub told of, the last minute, pauses. Times are Postgres'' own.';
comment on column github_budgets.account is
  'user:<GitHub''s id>, installation:<id>, or token:<fingerprint> where GitHub does not say whose a token is.';
comment on column github_budgets.resource is 'graphql (points) or core (REST requests).';
comment on column github_budgets.state is
  'windows: [{limit, used, resets_at}]; spent: the last minute; paused_until: GitHub refused; slowed: since when, to what.';

create table github_reservations (
  id uuid primary key default gen_random_uuid(),
  account text not null,
  resource text not null,
  operation text not null,
  points integer not null,
  seconds double precision not null,
  reserved_by text not null,
  reserved_at timestamptz not null,
  counts_until timestamptz not null,
  foreign key (account, resource) references github_budgets (account, resource) on delete cascade
) with (
  -- A row for as long as a request takes.
  fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
);
create index github_reservations_account on github_reservations (account, resource);

comment on table github_reservations is
  'Requests in flight. One left by a killed worker counts as spent until the window''s reset.';
comment on column github_reservations.points is 'What it will cost, by estimate.';
comment on column github_reservations.reserved_by is 'The worker, for people.';
comment on column github_reservations.counts_until is 'The reset of the window it was reserved in.';

create table github_requests (
  id uuid primary key default gen_random_uuid(),
  at timestamptz not null default now(),
  account text not null,
  resource text not null,
  operation text not null,
  repository text not null,
  outcome text not null check (outcome in ('answered', 'limited', 'failed')),
  estimated_points integer not null,
  points integer,
  seconds double precision not null
);
create index github_requests_at on github_requests (at);

comment on table github_requests is 'Every request that was made, for a week: what it was taken to cost, and what it cost.';
comment on column github_requests.operation is 'The GraphQL operation, or the REST route.';
comment on column github_requests.repository is 'Whose history was asked for.';
comment on column github_requests.points is 'What GitHub charged, in points or requests; null where it did not say.';

create table github_prices (
  operation text primary key,
  factor double precision not null,
  learned_at timestamptz not null default now()
);

comment on table github_prices is 'Operations that GitHub charges otherwise than by its formula: how many times as much.';
