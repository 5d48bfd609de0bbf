-- Pull requests and issues with what hangs on them: the host's tables that the sweeps write.
-- Columns marked `ours` are unknown to the host's production database, which gets them without a default.

create table contributors (
  id uuid primary key default gen_random_uuid(),
  github_id bigint not null unique,
  username text not null unique,
  avatar_url text,
  profile_url text,
  is_bot boolean,
  former_usernames jsonb              -- ours: logins that it lost, or did not get, and when
);

create table pull_requests (
  id uuid primary key default gen_random_uuid(),
  github_id bigint not null unique,
  node_id text,                       -- ours
  repository_id uuid references repositories (id),
  repository_full_name text not null,
  number integer not null,
  title text not null,
  body text,
  state text not null check (state in ('open', 'closed', 'merged')),
  author_id uuid references contributors (id),
  author_login text,
  draft boolean,
  merged boolean,
  merged_by_id uuid references contributors (id),
  base_branch text not null default '',
  head_branch text not null,
  additions integer,
  deletions integer,
  changed_files integer,
  commits integer,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  closed_at timestamptz,
  merged_at timestamptz,
  html_url text,
  reviewer_data jsonb,
  labels jsonb,                       -- ours, and the next two
  milestone jsonb,
  assignees jsonb,
  last_synced_at timestamptz,         -- GitHub's Date when it was asked for
  gone_at timestamptz,                -- ours: since then GitHub no longer lists it
  embedding vector(384),
  embedding_model text,               -- ours
  embedding_generated_at timestamptz,
  content_hash text,                  -- see embedding_hash()
  unique (repository_id, number)
);
create index pull_requests_sweep on pull_requests (repository_id, updated_at);
create index pull_requests_embedding on pull_requests using hnsw (embedding vector_cosine_ops);

create table reviews (
  id uuid primary key default gen_random_uuid(),
  github_id bigint not null unique,
  pull_request_id uuid not null references pull_requests (id) on delete cascade,
  repository_id uuid not null references repositories (id),
  author_id uuid not null references contributors (id),
  state text not null check (state in ('PENDING', 'APPROVED', 'CHANGES_REQUESTED', 'COMMENTED', 'DISMISSED')),
  body text,
  submitted_at timestamptz not null,
  updated_at timestamptz,             -- ours
  commit_id text,
  last_synced_at timestamptz,         -- ours: GitHub's Date when it was asked for
  node_id text                        -- ours
);
create index reviews_pull_request on reviews (pull_request_id);

create table requested_reviewers (
  id uuid primary key default gen_random_uuid(),
  pull_request_id uuid not null references pull_requests (id) on delete cascade,
  username text not null,
  avatar_url text,
  requested_at timestamptz,
  unique (pull_request_id, username)
);

create table issues (
  id uuid primary key default gen_random_uuid(),
  github_id bigint not null unique,
  node_id text,                       -- ours
  repository_id uuid not null references repositories (id),
  number integer not null,
  title text not null,
  body text,
  state text check (state in ('open', 'closed')),
  author_id uuid references contributors (id),
  closed_by_id uuid references contributors (id),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  closed_at timestamptz,
  labels jsonb,
  assignees jsonb,
  milestone jsonb,
  linked_prs jsonb,
  comments_count integer,
  last_synced_at timestamptz,         -- GitHub's Date when it was asked for
  gone_at timestamptz,                -- ours: since then GitHub no longer lists it
  embedding vector(384),
  embedding_model text,               -- ours
  embedding_generated_at timestamptz,
  content_hash text,                  -- see embedding_hash()
  unique (repository_id, number)
);
create index issues_sweep on issues (repository_id, updated_at);
create index issues_embedding on issues using hnsw (embedding vector_cosine_ops);

create table comments (
  id uuid primary key default gen_random_uuid(),
  github_id bigint not null,
  comment_type text not null check (comment_type in ('issue_comment', 'review_comment')),
  pull_request_id uuid references pull_requests (id) on delete cascade,
  issue_id uuid references issues (id),
  repository_id uuid not null references repositories (id),
  commenter_id uuid references contributors (id),
  body text not null,
  in_reply_to_id uuid references comments (id),
  in_reply_to_github_id bigint,       -- ours: links a reply that was stored before its parent
  review_id uuid references reviews (id) on delete set null,  -- ours
  path text,
  position integer,
  original_position integer,
  diff_hunk text,
  commit_id text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  last_synced_at timestamptz,         -- ours: GitHub's Date when it was asked for
  node_id text,                       -- ours
  unique (comment_type, github_id),
  check ((pull_request_id is null) <> (issue_id is null))
);
create index comments_pull_request on comments (pull_request_id);
create index comments_issue on comments (issue_id);
create index comments_review on comments (review_id) where review_id is not null;
create index comments_in_reply_to on comments (in_reply_to_id) where in_reply_to_id is not null;
create index comments_unlinked_replies on comments (in_reply_to_github_id)
  where in_reply_to_id is null and in_reply_to_github_id is not null;
