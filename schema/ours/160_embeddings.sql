-- What is embedded of a thread, and what tells whether that has changed: in one place, for all who ask.

create function embedding_text(title text, body text) returns text
language sql immutable parallel safe
as $$
-- A thread's title, a blank line, its body; without white space around it. Empty if nothing else is in it.
select btrim(title || coalesce(e'\n\n' || body, ''), e' \t\r\n\f\v')
$$;

create function embedding_hash(model text, dimensions integer, "text" text) returns text
language sql stable parallel safe
as $$
-- Of the whole text, before it is cut to what the model takes, and of the model: another hash, another vector.
select encode(sha256(convert_to(model || ' ' || dimensions || e'\n' || "text", 'UTF8')), 'hex')
$$;
