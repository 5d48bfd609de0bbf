-- Discussions: `id` is the GraphQL node id, `github_id` the databaseId, `author_id` the author's GitHub id.

create table discussions (
  id text primary key,
  github_id bigint not null unique,
  repository_id uuid references repositories (id),
  number integer not null,
  title text not null,
  body text,
  url text not null,
  category_id text,
  category_name text,
  category_description text,
  category_emoji text,
  author_id bigint,
  author_login text,
  is_answered boolean,
  answer_id text,
  answer_chosen_at timestamptz,
  answer_chosen_by text,
  upvote_count integer,
  comment_count integer,
  locked boolean,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  synced_at timestamptz,
  node_id text,                       -- ours, and the next two: GitHub's present one; null where we never fetched it
  last_synced_at timestamptz,         -- GitHub's Date when it was asked for
  gone_at timestamptz,                -- since then GitHub no longer lists it
  embedding vector(384),
  embedding_model text,               -- ours
  embedding_generated_at timestamptz,
  content_hash text,                  -- see embedding_hash()
  unique (repository_id, number)
);
create index discussions_sweep on discussions (repository_id, updated_at);
create index discussions_embedding on discussions using hnsw (embedding vector_cosine_ops);

create table discussion_comments (
  id text primary key,
  github_id bigint not null unique,
  discussion_id text not null references discussions (id) on delete cascade,
  discussion_number integer not null,
  parent_comment_id text references discussion_comments (id),
  author_id bigint,
  author_login text,
  body text,
  is_answer boolean,
  upvote_count integer,
  reply_count integer,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  synced_at timestamptz,
  last_synced_at timestamptz          -- ours: GitHub's Date when it was asked for
);
create index discussion_comments_discussion on discussion_comments (discussion_id);
create index discussion_comments_parent on discussion_comments (parent_comment_id)
  where parent_comment_id is not null;
