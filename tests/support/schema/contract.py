"""The contract's section on Postgres, as it is written there: every table, its columns with their types, and
its keys.
"""

TABLES = """
app_users: id uuid, auth_user_id uuid, email
workspaces: id uuid, name, slug, owner_id uuid, tier, data_retention_days integer, settings jsonb, is_active boolean
workspace_members: workspace_id uuid, user_id uuid, role, notifications_enabled boolean
workspace_repositories: workspace_id uuid, repository_id uuid
subscriptions: id uuid, user_id uuid, tier, status, polar_customer_id, polar_subscription_id
repositories: id uuid, github_id bigint, owner, name, full_name, is_private boolean, is_archived boolean,
  has_issues boolean, has_discussions boolean, last_synced_at timestamptz
contributors: id uuid, github_id bigint, username, avatar_url, profile_url, is_bot boolean, former_usernames jsonb
pull_requests: id uuid, github_id bigint, repository_id uuid, number integer, repository_full_name, title, body, state,
  author_id uuid, author_login, draft boolean, merged boolean, merged_by_id uuid, base_branch, head_branch,
  additions integer, deletions integer, changed_files integer, commits integer, created_at timestamptz,
  updated_at timestamptz, closed_at timestamptz, merged_at timestamptz, html_url, reviewer_data jsonb, labels jsonb,
  milestone jsonb, assignees jsonb, last_synced_at timestamptz, embedding vector(384), embedding_model,
  embedding_generated_at timestamptz, content_hash, node_id, gone_at timestamptz
reviews: id uuid, github_id bigint, pull_request_id uuid, repository_id uuid, author_id uuid, state, body,
  submitted_at timestamptz, updated_at timestamptz, commit_id, node_id
requested_reviewers: pull_request_id uuid, username, avatar_url, requested_at timestamptz
comments: id uuid, github_id bigint, pull_request_id uuid, issue_id uuid, repository_id uuid, commenter_id uuid, body,
  comment_type, in_reply_to_id uuid, review_id uuid, path, position integer, original_position integer, diff_hunk,
  commit_id, created_at timestamptz, updated_at timestamptz, in_reply_to_github_id bigint, node_id
issues: id uuid, github_id bigint, repository_id uuid, number integer, title, body, state, author_id uuid,
  closed_by_id uuid, closed_at timestamptz, labels jsonb, assignees jsonb, milestone jsonb, linked_prs jsonb,
  comments_count integer, created_at timestamptz, updated_at timestamptz, embedding vector(384), embedding_model,
  embedding_generated_at timestamptz, content_hash, node_id, gone_at timestamptz
issue_events: node_id, issue_id uuid, pull_request_id uuid, repository_id uuid, event_type, actor_login,
  created_at timestamptz, payload jsonb
discussions: id, github_id bigint, repository_id uuid, number integer, title, body, url, category_id, category_name,
  category_description, category_emoji, author_id bigint, author_login, is_answered boolean, answer_id,
  answer_chosen_at timestamptz, answer_chosen_by, upvote_count integer, comment_count integer, locked boolean,
  created_at timestamptz, updated_at timestamptz, embedding vector(384), embedding_model,
  embedding_generated_at timestamptz, content_hash, node_id, last_synced_at timestamptz, gone_at timestamptz
discussion_comments: id, github_id bigint, discussion_id, discussion_number integer, parent_comment_id,
  author_id bigint, author_login, body, is_answer boolean, upvote_count integer, reply_count integer,
  created_at timestamptz, updated_at timestamptz, last_synced_at timestamptz
github_events_cache: event_id, event_type, actor_login, repository_owner, repository_name, payload jsonb,
  created_at timestamptz, processed boolean, is_privileged boolean, source
notifications: user_id uuid, operation_id, operation_type, repository, status, title, message, metadata jsonb,
  read boolean
subscription_addons: id uuid, subscription_id uuid, user_id uuid, addon_type, addon_product_id, polar_subscription_id,
  last_event_at timestamptz, retention_days integer, purchased_at timestamptz, activated_at timestamptz,
  expires_at timestamptz, status, metadata jsonb, created_at timestamptz, updated_at timestamptz
workspace_retention: workspace_id uuid, days_before integer, days integer
workspace_backfill_jobs: id uuid, workspace_id uuid, addon_type, subscription_addon_id uuid, retention_days integer,
  cutoff_at timestamptz, backfill_types text[], status, total_repositories integer, completed_repositories integer,
  failed_repositories integer, started_at timestamptz, completed_at timestamptz, estimated_completion_at timestamptz,
  error_message, error_details jsonb, metadata jsonb, created_at timestamptz, updated_at timestamptz, purchase_key,
  signaled_at timestamptz, attempt integer, transition integer, requested_by, repositories_selected uuid[]
workspace_backfill_progress: id uuid, backfill_job_id uuid, repository_id uuid, status, data_types_completed text[],
  data_types_failed text[], data_types_skipped text[], pull_requests_count integer, issues_count integer,
  discussions_count integer, comments_count integer, reviews_count integer, events_count integer,
  embeddings_count integer, started_at timestamptz, completed_at timestamptz, error_message, retry_count integer,
  metadata jsonb, attempt integer, transition integer
repository_star_history: repository_id uuid, day date, stars integer
webhook_deliveries: webhook_id, type, received_at timestamptz, payload jsonb, processed_at timestamptz, error,
  attempts integer, next_attempt_at timestamptz
backfill_samples: backfill_job_id uuid, at timestamptz, attempt integer, worked_seconds double precision, rows jsonb,
  units integer, points integer, requests integer
backfill_waits: backfill_job_id uuid, since timestamptz, reason, until timestamptz, detail, ended_at timestamptz
backfill_tallies: backfill_job_id uuid, attempt integer, counted_to uuid, tally jsonb
reconciler_turns: name, ends_at timestamptz
backfill_sweeps: backfill_job_id uuid, repository_id uuid, data_type, status, position jsonb, counts jsonb,
  expected integer, pages integer, requests integer, points integer, attempts integer, lease_token bigint, lease_owner,
  leased_at timestamptz, leg, waits_for jsonb, error jsonb, proof jsonb, started_at timestamptz,
  committed_at timestamptz, completed_at timestamptz, most_stored integer,
  least_left integer, least_expected integer
backfill_parts: backfill_job_id uuid, repository_id uuid, data_type, kind, node_id, number integer, cursor,
  expected integer, seen text[], began_at timestamptz, attempts integer, failure jsonb, reading, split jsonb
backfill_notes: repository_id uuid, data_type, what, node_id, kind, number integer, count integer, words,
  first_seen_at timestamptz, last_seen_at timestamptz, seen_by uuid
backfill_absences: repository_id uuid, data_type, child, node_id, thread bigint, first_missed_at timestamptz,
  last_missed_at timestamptz, many boolean, gone_to text[], asked_in uuid, asked text[], refuted boolean
backfill_readers: repository_id uuid, data_type, account
backfill_surveys: backfill_job_id uuid, repository_id uuid, survey jsonb, answers bytea, told_at timestamptz,
  answered_at timestamptz
backfill_coverage: repository_id uuid, data_type, plan_version integer, low timestamptz, as_of timestamptz,
  position jsonb, swept_by uuid, counts jsonb, left_out text[]
archive_reads: id uuid, workspace_id uuid, repository_ids uuid[], event_types text[], first_hour timestamptz,
  last_hour timestamptz, next_hour timestamptz, hours_missing integer, hours_damaged integer, lines_malformed integer,
  events_stored integer, bytes_read bigint, seconds_read double precision, status, error jsonb, attempts integer,
  lease_token bigint, lease_owner, leased_at timestamptz, created_at timestamptz, started_at timestamptz,
  committed_at timestamptz, completed_at timestamptz
github_budgets: account, resource, state jsonb, updated_at timestamptz
github_reservations: id uuid, account, resource, operation, points integer, seconds double precision, reserved_by,
  reserved_at timestamptz, counts_until timestamptz
github_requests: id uuid, at timestamptz, account, resource, operation, repository, outcome, estimated_points integer,
  points integer, seconds double precision
github_prices: operation, factor double precision, learned_at timestamptz
github_availability: server, state jsonb, updated_at timestamptz
notification_outbox: id uuid, channel, milestone, backfill_job_id uuid, job_attempt integer, user_id uuid,
  content jsonb, status, attempts integer, created_at timestamptz, next_attempt_at timestamptz,
  leased_until timestamptz, ended_at timestamptz, error
"""

KEYS = """
app_users: id
workspaces: id
subscriptions: id
repositories: id; github_id; full_name
contributors: id; github_id; username
pull_requests: id; github_id; repository_id, number
reviews: id; github_id
requested_reviewers: pull_request_id, username
comments: id; comment_type, github_id
issues: id; github_id; repository_id, number
issue_events: node_id
discussions: id; github_id; repository_id, number
discussion_comments: id; github_id
github_events_cache: event_id, created_at
subscription_addons: id; polar_subscription_id; subscription_id, addon_type
workspace_retention: workspace_id
workspace_backfill_jobs: id
workspace_backfill_progress: id; backfill_job_id, repository_id
repository_star_history: repository_id, day
webhook_deliveries: webhook_id
backfill_samples: backfill_job_id, at
backfill_waits: backfill_job_id, since
backfill_tallies: backfill_job_id
reconciler_turns: name
backfill_sweeps: backfill_job_id, repository_id, data_type
backfill_parts: backfill_job_id, repository_id, data_type, kind, node_id
backfill_notes: repository_id, data_type, what, node_id
backfill_absences: repository_id, data_type, child
backfill_readers: repository_id, data_type, account
backfill_surveys: backfill_job_id, repository_id
backfill_coverage: repository_id, data_type
archive_reads: id
github_budgets: account, resource
github_reservations: id
github_requests: id
github_prices: operation
github_availability: server
notification_outbox: id; backfill_job_id, job_attempt, milestone, channel
"""


def tables() -> dict[str, dict[str, str]]:
    """Returns the columns with their types, by table. A column without a type in the contract is text."""
    parsed: dict[str, dict[str, str]] = {}
    for line in TABLES.replace(",\n  ", ", ").strip().splitlines():
        table, _, columns = line.partition(": ")
        for column in columns.split(", "):
            name, _, kind = column.partition(" ")
            kind = kind.replace("timestamptz", "timestamp with time zone") or "text"
            parsed.setdefault(table, {})[name] = kind
    return parsed


def keys() -> set[tuple[str, frozenset[str]]]:
    parsed = set()
    for line in KEYS.strip().splitlines():
        table, _, listed = line.partition(": ")
        parsed |= {(table, frozenset(key.split(", "))) for key in listed.split("; ")}
    return parsed
