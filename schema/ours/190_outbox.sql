-- What is still to be said to the world outside about jobs: written by the transaction that makes it true, sent afterwards
-- (docs/decisions/0021-outbox.md).

create table notification_outbox (
  id uuid primary key default gen_random_uuid(),
  channel text not null check (channel in ('mail', 'webhook')),
  milestone text not null check (milestone in ('started', 'completed', 'failed')),
  backfill_job_id uuid not null references workspace_backfill_jobs (id) on delete cascade,
  job_attempt integer not null,
  user_id uuid,
  content jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'sent', 'off', 'given_up')),
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  next_attempt_at timestamptz not null default now(),
  leased_until timestamptz,
  ended_at timestamptz,
  error text,
  unique (backfill_job_id, job_attempt, milestone, channel)
);
create index notification_outbox_pending on notification_outbox (channel, next_attempt_at) where status = 'pending';
create index notification_outbox_ended on notification_outbox (ended_at) where status <> 'pending';

comment on table notification_outbox is
  'E-mails and calls of the host''s webhook about jobs: one row a milestone and channel. Rows that ended are forgotten after 90 days.';
comment on column notification_outbox.id is 'Stays the same however often it is sent: the e-mail''s Message-ID, the webhook-id.';
comment on column notification_outbox.job_attempt is 'The job''s: 0, +1 with every retry.';
comment on column notification_outbox.user_id is
  'app_users.id of the workspace''s owner at that moment; address and preferences are read when it is sent.';
comment on column notification_outbox.content is 'What is said, as it was true in the transaction that wrote the row.';
comment on column notification_outbox.status is
  'pending; sent: the receiver took it; off: the owner wants none or has no address, or no setting asks for it; given_up: error says why.';
comment on column notification_outbox.leased_until is
  'A sender is at it until then; one that was killed leaves it to the next.';
comment on column notification_outbox.error is 'Why it was not sent the last time, or is not sent at all.';
