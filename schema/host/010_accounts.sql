-- Who there is, and what belongs to whom: the host's tables that are read (and `workspaces.data_retention_days` written).
-- An empty database gets these columns; the host's production database has more.

create table app_users (
  id uuid primary key default gen_random_uuid(),
  auth_user_id uuid unique,
  email text,
  github_username text
);

create table subscriptions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  tier text not null default 'free',
  status text not null default 'active',
  polar_customer_id text,
  polar_subscription_id text,
  unique (user_id)
);

create table workspaces (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  slug text not null unique,
  owner_id uuid not null references app_users (id),
  tier text not null default 'free',
  data_retention_days integer default 30,
  settings jsonb default '{}',
  is_active boolean default true
);

create table workspace_members (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  user_id uuid not null references app_users (id),
  role text not null check (role in ('owner', 'admin', 'editor', 'viewer')),
  notifications_enabled boolean,
  unique (workspace_id, user_id)
);

create table repositories (
  id uuid primary key default gen_random_uuid(),
  github_id bigint not null unique,
  owner text not null,
  name text not null,
  full_name text not null unique,
  is_private boolean default false,
  is_archived boolean,
  has_issues boolean,
  has_discussions boolean,
  last_synced_at timestamptz
);

create table workspace_repositories (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  repository_id uuid not null references repositories (id),
  added_by uuid references app_users (id),
  added_at timestamptz not null default now(),
  unique (workspace_id, repository_id)
);
