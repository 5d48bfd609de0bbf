-- Whether GitHub, and GH Archive, answer anybody: one breaker a server, shared by all workers.

create table github_availability (
  server text primary key,
  state jsonb not null default '{}',
  updated_at timestamptz not null default now()
);

comment on table github_availability is
  'Servers that a request got no answer from, and what came of asking them again. Written at failures and probes only.';
comment on column github_availability.server is 'The address that is asked, as it is set (GITHUB_API_URL, GH_ARCHIVE_URL).';
comment on column github_availability.state is
  'apis: by name (graphql, core, archive), away or not, failures in a row, since when, why, last answer to a probe; next_probe_at; probing_until: the probe''s lease. Times are Postgres'' own.';
