"""Databases of the host application, with its tables and rows."""

from collections.abc import Awaitable, Callable

import asyncpg

from tests.support.programs import ROOT

HOST_SCHEMA = ROOT.parent / "shared" / "data" / "host-schema.sql"

# One row a table, all within the host's own rules.
HOST_ROWS = """
insert into app_users (id, auth_user_id, github_username)
  values ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-0000000000a1', 'octocat');
insert into workspaces (id, name, slug, owner_id)
  values ('00000000-0000-4000-8000-000000000002', 'Work', 'work', '00000000-0000-4000-8000-000000000001');
insert into workspace_members (workspace_id, user_id, role)
  values ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'owner');
insert into repositories (id, github_id, owner, name, full_name)
  values ('00000000-0000-4000-8000-000000000003', 3, 'octocat', 'hello', 'octocat/hello');
insert into workspace_repositories (workspace_id, repository_id, added_by) values (
  '00000000-0000-4000-8000-000000000002',
  '00000000-0000-4000-8000-000000000003',
  '00000000-0000-4000-8000-000000000001'
);
insert into subscriptions (id, user_id)
  values ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-0000000000a1');
insert into subscription_addons (addon_type, quantity, price_per_unit, subscription_id)
  values ('extra_repositories', 5, 2.5, '00000000-0000-4000-8000-000000000004');
insert into contributors (id, github_id, username) values ('00000000-0000-4000-8000-000000000005', 5, 'octocat');
insert into pull_requests (
  id, github_id, number, title, body, state, head_branch, repository_full_name, repository_id, author_id,
  created_at, updated_at, embedding
) values (
  '00000000-0000-4000-8000-000000000006', 6, 1, 'A pull request', 'body', 'open', 'topic', 'octocat/hello',
  '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000005', '2025-01-01', '2025-01-02',
  array_fill(0.5, array[384])::vector
);
insert into reviews (github_id, pull_request_id, repository_id, author_id, state, submitted_at) values (
  7, '00000000-0000-4000-8000-000000000006', '00000000-0000-4000-8000-000000000003',
  '00000000-0000-4000-8000-000000000005', 'APPROVED', '2025-01-02'
);
insert into requested_reviewers (pull_request_id, username) values ('00000000-0000-4000-8000-000000000006', 'hubot');
insert into issues (id, github_id, number, title, state, repository_id, created_at, updated_at) values (
  '00000000-0000-4000-8000-000000000008', 8, 2, 'An issue', 'open', '00000000-0000-4000-8000-000000000003',
  '2025-01-01', '2025-01-02'
);
insert into comments (github_id, comment_type, body, issue_id, repository_id, created_at, updated_at) values (
  9, 'issue_comment', 'body', '00000000-0000-4000-8000-000000000008', '00000000-0000-4000-8000-000000000003',
  '2025-01-01', '2025-01-02'
);
insert into discussions (id, github_id, number, title, url, repository_id, created_at, updated_at) values (
  'D_10', 10, 3, 'A discussion', 'https://github.com/octocat/hello/discussions/3',
  '00000000-0000-4000-8000-000000000003', '2025-01-01', '2025-01-02'
);
insert into discussion_comments (id, github_id, discussion_id, discussion_number, created_at, updated_at)
  values ('DC_11', 11, 'D_10', 3, '2025-01-01', '2025-01-02');
insert into github_events_cache (
  event_id, event_type, actor_login, payload, repository_owner, repository_name, created_at
) values ('12', 'WatchEvent', 'octocat', '{"action": "started"}', 'octocat', 'hello', '2025-02-03');
insert into notifications (operation_id, operation_type, status, title) values ('13', 'sync', 'completed', 'Done');
"""


Open = Callable[..., Awaitable[asyncpg.Connection]]
