-- What the feed of events needs beside the host's table: what an event is of, and a partition for its month.

create function event_happening(event_type text, payload jsonb) returns text
language sql immutable parallel safe
as $$
-- The same for whoever tells of it; '' where nothing but its actor and its moment tells it from others of its type.
select coalesce(
  case
    when event_type = 'PushEvent' then
      regexp_replace(payload ->> 'ref', '^refs/heads/', '') || ' ' || coalesce(payload ->> 'head', payload ->> 'after')
    when event_type = 'ForkEvent' then payload #>> '{forkee,id}'
    when event_type = 'ReleaseEvent' then (payload ->> 'action') || ' ' || (payload #>> '{release,id}')
    when event_type in ('CreateEvent', 'DeleteEvent') then
      (payload ->> 'ref_type') || ' ' || coalesce(regexp_replace(payload ->> 'ref', '^refs/(heads|tags)/', ''), '')
    when event_type in ('PullRequestEvent', 'IssuesEvent') then
      -- Some tell a merge as an action of its own.
      replace(payload ->> 'action', 'merged', 'closed') || ' ' || coalesce(
        payload ->> 'number', payload #>> '{pull_request,number}', payload #>> '{issue,number}')
    when event_type in (
      'IssueCommentEvent', 'CommitCommentEvent', 'PullRequestReviewCommentEvent', 'DiscussionCommentEvent'
    ) then (payload ->> 'action') || ' ' || (payload #>> '{comment,id}')
    when event_type = 'PullRequestReviewEvent' then (payload ->> 'action') || ' ' || (payload #>> '{review,id}')
    when event_type = 'DiscussionEvent' then (payload ->> 'action') || ' ' || (payload #>> '{discussion,number}')
  end, '')
$$;

create function github_events_cache_ensure_month(month date) returns void
language plpgsql
as $$
-- Makes what no partition of github_events_cache covers of a month (UTC). Nobody who reads or writes the table waits for
-- it: the new table is made by itself and then attached.
declare
  parent constant regclass := to_regclass('github_events_cache');
  wanted constant tstzrange := tstzrange(
    date_trunc('month', month::timestamp) at time zone 'UTC',
    (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC'
  );
  missing tstzmultirange;
  gap tstzrange;
  name text;
  number integer;
  role text;
begin
  if not exists (select from pg_partitioned_table where partrelid = parent) then
    return;
  end if;
  -- One after the other: whoever waited here finds what the other made.
  perform pg_advisory_xact_lock(hashtextextended('github_events_cache partitions', 0));
  if exists (select from pg_partitioned_table where partrelid = parent and partdefid <> 0) then
    -- It takes every month that has no partition of its own; to make one beside it could not but move its rows.
    return;
  end if;
  select tstzmultirange(wanted) - coalesce(range_agg(tstzrange(
    case when bound[1] <> 'MINVALUE' then trim(bound[1], '''')::timestamptz end,
    case when bound[2] <> 'MAXVALUE' then trim(bound[2], '''')::timestamptz end
  )), tstzmultirange())
  into missing
  from pg_inherits join pg_class on pg_class.oid = inhrelid,
    regexp_match(pg_get_expr(relpartbound, pg_class.oid), 'FROM \((.+)\) TO \((.+)\)') bound
  where inhparent = parent;
  for gap in select unnest(missing) loop
    number := 0;
    name := 'github_events_cache_' || to_char(month, 'YYYY_MM');
    while exists (
      select from pg_class
      where relname = name and relnamespace = (select relnamespace from pg_class where oid = parent)
    ) loop
      number := number + 1;
      name := 'github_events_cache_' || to_char(month, 'YYYY_MM') || '_' || number;
    end loop;
    select format('%I.%I', nspname, name) into name
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace where pg_class.oid = parent;
    execute format('create table %s (like %s including all excluding indexes)', name, parent);
    -- They are the roles of Supabase's public API, which grants them every new table.
    for role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke all on table %s from %I', name, role);
    end loop;
    -- Whoever reads a partition by its own name passes by the policies of the parent.
    if exists (select from pg_proc where proname = 'uid' and pronamespace = to_regnamespace('auth')) then
      execute format('alter table %s enable row level security', name);
    end if;
    execute format(
      'alter table %s attach partition %s for values from (%L) to (%L)', parent, name, lower(gap), upper(gap)
    );
  end loop;
end
$$;
