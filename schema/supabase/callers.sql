-- Who asks, for the policies beside. Each function answers for the caller alone (`auth.uid()`), takes no argument, and
-- reads the host's tables as its owner: the host's own policies may hide them from the caller, or call for each other.
-- A member whose invitation is pending is none yet; only the host's own database has the two columns that say so.
-- Bodies are bound to their tables when they are created, and the search_path is empty: nobody can put others in between.

create function backfill_caller_workspaces() returns setof uuid
language sql stable security definer
set search_path = ''
begin atomic
  select w.id from workspaces w join app_users u on u.id = w.owner_id where u.auth_user_id = (select auth.uid())
  union
  select m.workspace_id from workspace_members m join app_users u on u.id = m.user_id
  where u.auth_user_id = (select auth.uid())
    and (to_jsonb(m) ->> 'invited_at' is null or to_jsonb(m) ->> 'accepted_at' is not null);
end;

create function backfill_caller_repositories() returns setof uuid
language sql stable security definer
set search_path = ''
begin atomic
  select r.repository_id
  from workspace_repositories r join workspaces w on w.id = r.workspace_id join app_users u on u.id = w.owner_id
  where u.auth_user_id = (select auth.uid())
  union
  select r.repository_id
  from workspace_repositories r
  join workspace_members m on m.workspace_id = r.workspace_id
  join app_users u on u.id = m.user_id
  where u.auth_user_id = (select auth.uid())
    and (to_jsonb(m) ->> 'invited_at' is null or to_jsonb(m) ->> 'accepted_at' is not null);
end;

create function backfill_caller_subscriptions() returns setof uuid
language sql stable security definer
set search_path = ''
begin atomic
  select id from subscriptions where user_id = (select auth.uid());
end;
