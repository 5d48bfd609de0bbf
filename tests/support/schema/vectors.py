"""What stands in for pgvector on a server that lacks it, as Debian's do: enough for the schema and for storing."""

VECTORS = """
create type vector;
create function vector_in(cstring) returns vector language internal immutable strict as 'byteain';
create function vector_out(vector) returns cstring language internal immutable strict as 'byteaout';
create function vector_typmod_in(cstring[]) returns integer language internal immutable strict as 'bittypmodin';
create function vector_typmod_out(integer) returns cstring language internal immutable strict as 'bittypmodout';
create type vector (
  input = vector_in, output = vector_out, typmod_in = vector_typmod_in, typmod_out = vector_typmod_out,
  storage = extended
);
create cast (real[] as vector) with inout as assignment;
create access method hnsw type index handler hashhandler;
create function vector_hash(vector) returns integer language internal immutable strict as 'hashvarlena';
create operator class vector_cosine_ops for type vector using hnsw as function 1 vector_hash(vector);
-- `create extension if not exists vector` then finds it.
set allow_system_table_mods = on;
insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
values ('vector'::regtype, 'vector', 'postgres'::regrole, 'public'::regnamespace, false, '0');
"""
