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
  embedding vector(384),
  embedding_model text,               -- ours
  embedding_generated_at timestamptz,
  content_hash text,
  unique (repository_id, number)
);

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
  synced_at timestamptz
);
