-- What Polar told us, and what it bought.

create table webhook_deliveries (
  webhook_id text primary key,
  type text not null,
  received_at timestamptz not null default now(),
  payload jsonb not null,
  processed_at timestamptz,
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  error text
);
create index webhook_deliveries_unprocessed on webhook_deliveries (received_at) where processed_at is null;
create index webhook_deliveries_subscription on webhook_deliveries ((payload #>> '{data,id}'));

comment on table webhook_deliveries is
  'Every event that Polar sent, kept before it was answered with 202. One webhook_id is handled once, however often it comes.';
comment on column webhook_deliveries.payload is 'The body as it came. A JSON string where jsonb refuses the body itself.';
comment on column webhook_deliveries.processed_at is 'Null: still to do.';
comment on column webhook_deliveries.next_attempt_at is 'Not to be tried again before then; null: at once.';
comment on column webhook_deliveries.error is 'What stood in the way the last time.';

-- A production database can hold an older one (addon_type, quantity, price_per_unit): it gains the columns it lacks.
-- A status that no event ever told grants nothing, so rows from before begin as inactive.
create table subscription_addons (
  id uuid primary key default gen_random_uuid(),
  subscription_id uuid references subscriptions (id) on delete set null,
  user_id uuid,
  addon_type text not null,
  addon_product_id text,
  polar_subscription_id text,
  last_event_at timestamptz,
  retention_days integer check (retention_days > 0),
  purchased_at timestamptz,
  activated_at timestamptz,
  expires_at timestamptz,
  status text not null default 'inactive' check (status in ('active', 'inactive', 'expired', 'canceled')),
  metadata jsonb not null default '{}',
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  unique (polar_subscription_id),
  -- Where the buyer has no base subscription, subscription_id is null and the key above keeps purchases apart.
  unique (subscription_id, addon_type)
);
create index subscription_addons_user on subscription_addons (user_id);

comment on table subscription_addons is 'What was bought beside the base subscription; extended_data_retention is ours.';
comment on column subscription_addons.subscription_id is 'The buyer''s base subscription; null if there is none.';
comment on column subscription_addons.user_id is 'The buyer''s auth user id (app_users.auth_user_id, not app_users.id).';
comment on column subscription_addons.last_event_at is 'The newest event of Polar that shaped this row; older ones change nothing.';
comment on column subscription_addons.retention_days is
  'Days of history that the product buys; null: the subscription has turned to a product that is none of ours.';
comment on column subscription_addons.metadata is
  'What the newest event told, under Polar''s names: polar_status (past_due: kept until revoked), cancel_at_period_end,
   pending_update (a change of plan that waits for the next period), ...';

-- What a workspace keeps without the add-on comes back when it ends.
create table workspace_retention (
  workspace_id uuid primary key references workspaces (id) on delete cascade,
  days_before integer,
  days integer not null
);

comment on table workspace_retention is
  'Workspaces whose data_retention_days follows an add-on. A row goes with the add-on that made it.';
comment on column workspace_retention.days_before is
  'data_retention_days without the add-on: as it was before the purchase, or as somebody else wrote it since.';
comment on column workspace_retention.days is
  'data_retention_days as it was written for the add-on; another value there was written by somebody else.';
