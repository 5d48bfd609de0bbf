-- What signed-in users of the host may read over Supabase's public API. A table of ours that is not here is closed to
-- them; none lets them write. `array(select ...)` is evaluated once a statement, and its result finds rows by an index.

create policy backfill_members_read on workspace_backfill_jobs for select to authenticated
  using (workspace_id = any (array(select backfill_caller_workspaces())));
comment on policy backfill_members_read on workspace_backfill_jobs is 'Members of a workspace read its jobs.';
-- Not metadata (its audit names people and their addresses), error_details and purchase_key: the API shows what of
-- them is for members.
grant select (
  id, workspace_id, addon_type, retention_days, cutoff_at, backfill_types, repositories_selected, status,
  total_repositories, completed_repositories, failed_repositories, started_at, completed_at, estimated_completion_at,
  error_message, created_at, updated_at
) on workspace_backfill_jobs to authenticated;

create policy backfill_members_read on workspace_backfill_progress for select to authenticated
  using (backfill_job_id = any (array(select id from workspace_backfill_jobs)));
comment on policy backfill_members_read on workspace_backfill_progress is 'Who may read a job reads its progress.';
grant select (
  id, backfill_job_id, repository_id, status, data_types_completed, data_types_failed, data_types_skipped,
  pull_requests_count, issues_count, discussions_count, comments_count, reviews_count, events_count, embeddings_count,
  started_at, completed_at, error_message, retry_count, metadata
) on workspace_backfill_progress to authenticated;

create policy backfill_members_read on repository_star_history for select to authenticated
  using (repository_id = any (array(select backfill_caller_repositories())));
comment on policy backfill_members_read on repository_star_history is
  'Members of a workspace read the star history of its repositories.';
grant select (repository_id, day, stars) on repository_star_history to authenticated;

create policy backfill_members_read on issue_events for select to authenticated
  using (repository_id = any (array(select backfill_caller_repositories())));
comment on policy backfill_members_read on issue_events is
  'Members of a workspace read the timelines of its repositories.';
grant select (
  node_id, issue_id, pull_request_id, repository_id, event_type, actor_login, created_at, payload
) on issue_events to authenticated;

create policy backfill_members_read on backfill_notes for select to authenticated
  using (repository_id = any (array(select backfill_caller_repositories())));
comment on policy backfill_members_read on backfill_notes is
  'Members of a workspace read what GitHub does not show of its repositories.';
grant select (
  repository_id, data_type, what, kind, number, count, words, first_seen_at, last_seen_at
) on backfill_notes to authenticated;

create policy backfill_buyers_read on subscription_addons for select to authenticated
  using (
    user_id = (select auth.uid()) or subscription_id = any (array(select backfill_caller_subscriptions()))
  );
comment on policy backfill_buyers_read on subscription_addons is 'Buyers read their own add-ons.';
grant select (
  id, subscription_id, user_id, addon_type, addon_product_id, retention_days, purchased_at, activated_at, expires_at,
  status, metadata, created_at, updated_at
) on subscription_addons to authenticated;
