"""`starter.py search`: what is near in meaning, of this workspace and by this model alone."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from cli import program
from sandbox.embeddings import EmbeddingServer, Model, out_of_quota, rate_limited
from sandbox.ports import LOOPBACK
from schema.migrate import migrate
from store import embeddings as store
from store.database import Database
from tests.support import shop
from tests.support.programs import ROOT

MODEL = "text-embedding-3-small"
TEXTS = {
    1: "The TLS handshake fails behind a proxy",
    2: "Pasta with garlic and basil",
    3: "Private keys have no serialization",
    4: "Weekly digest of the working group",
}


@dataclass
class Searcher:
    capsys: pytest.CaptureFixture[str]
    host: asyncpg.Connection
    workspace_id: str
    other_id: str

    async def __call__(self, text: str, *arguments: str, workspace: str | None = None) -> tuple[int, str, str]:
        self.capsys.readouterr()
        exit_code = await program.run(["search", text, "--workspace", workspace or self.workspace_id, *arguments])
        said = self.capsys.readouterr()
        return exit_code, said.out, said.err

    async def hits(self, text: str, *arguments: str) -> list[dict[str, Any]]:
        exit_code, out, err = await self(text, *arguments, "--json")
        assert (exit_code, err) == (0, "")
        hits: list[dict[str, Any]] = json.loads(out)
        return hits


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


def vector(model: Model, text: str) -> str:
    return str(model.vector(model.tokens(text), 384).tolist())


async def thread(
    host: asyncpg.Connection, full_name: str, table: str, number: int, title: str, vector: str, **columns: Any
) -> None:
    repository_id = await host.fetchval("select id from repositories where full_name = $1", full_name)
    needed: dict[str, Any] = {
        "pull_requests": {"repository_full_name": full_name, "head_branch": "topic", "state": "open"},
        "issues": {"state": "open"},
        "discussions": {"id": f"D_{full_name}_{number}", "url": f"https://github.com/{full_name}/discussions/{number}"},
    }[table]
    needed = {"embedding_model": MODEL} | needed | columns
    places = "".join(f", ${place}" for place in range(5, 5 + len(needed)))
    await host.execute(
        f"insert into {table} (github_id, repository_id, number, title, embedding, created_at, updated_at"
        f"{''.join(f', {name}' for name in needed)})"
        f" values ((select coalesce(max(github_id), 0) + 1 from {table}), $1, $2, $3, $4::text::vector, now(), now()"
        f"{places})",
        repository_id,
        number,
        title,
        vector,
        *needed.values(),
    )


@pytest.fixture(scope="module")
def database(module_database: str) -> str:
    return module_database


@pytest.fixture
async def search(
    environment: dict[str, str],
    embeddings: EmbeddingServer,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Searcher]:
    environment |= {"OPENAI_API_KEY": embeddings.token, "OPENAI_BASE_URL": embeddings.url}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with shop.emptied(environment["DATABASE_URL"]) as host:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer, "octo/a", "octo/b", slug="acme")
        other_id = await shop.workspace(host, buyer, "else/where", "octo/b", slug="else")
        vectors = {number: vector(model, text) for number, text in TEXTS.items()}
        await thread(
            host, "octo/a", "pull_requests", 1, TEXTS[1], vectors[1], html_url="https://ghe.example/octo/a/pull/1"
        )
        await thread(host, "octo/a", "issues", 2, TEXTS[2], vectors[2])
        await thread(host, "octo/b", "discussions", 3, TEXTS[3], vectors[3])
        await thread(host, "octo/b", "issues", 4, TEXTS[4], vectors[4])
        # As near as can be, but not to be found.
        await thread(host, "else/where", "issues", 5, TEXTS[1], vectors[1])
        await thread(host, "octo/a", "issues", 6, TEXTS[1], vectors[1], embedding_model="text-embedding-ada-002")
        await thread(host, "octo/a", "issues", 7, TEXTS[1], vectors[1], embedding_model=None)
        await host.execute("update issues set gone_at = now() where number = 8")
        yield Searcher(capsys, host, workspace_id, other_id)


async def test_the_nearest_come_first_of_all_types(search: Searcher) -> None:
    hits = await search.hits("why does the handshake of TLS fail with a proxy?")
    assert hits[0]["number"] == 1
    assert {hit["number"] for hit in hits} == {1, 2, 3, 4}
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert 0.5 < scores[0] <= 1
    assert hits[0] | {"score": 0} == {
        "score": 0,
        "table": "pull_requests",
        "repository": "octo/a",
        "number": 1,
        "title": TEXTS[1],
        "url": "https://ghe.example/octo/a/pull/1",
    }
    [recipe] = [hit for hit in hits if hit["number"] == 2]
    assert recipe["url"] == "https://github.com/octo/a/issues/2"


async def test_what_is_gone_is_not_shown(search: Searcher) -> None:
    await search.host.execute("update pull_requests set gone_at = now()")
    assert {hit["number"] for hit in await search.hits("TLS handshake")} == {2, 3, 4}


async def test_fewer_and_other_types(search: Searcher) -> None:
    assert [hit["number"] for hit in await search.hits("cooking pasta", "--limit", "1")] == [2]
    hits = await search.hits("cooking pasta", "--type", "discussions", "--type", "pull_requests")
    assert {hit["number"] for hit in hits} == {1, 3}


async def test_people_see_a_table(search: Searcher) -> None:
    exit_code, out, err = await search("serialize a private key", "--limit", "2", workspace="acme")
    assert (exit_code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    assert lines[0] == "score type thread title url"
    rank, score, *rest = lines[2].split(" ", 2)
    assert rank == "1"
    assert 0 < float(score) <= 1
    assert rest == [f"discussion octo/b#3 {TEXTS[3]} https://github.com/octo/b/discussions/3"]
    assert len(lines) == 4


async def test_nothing_embedded_is_said(search: Searcher) -> None:
    await search.host.execute("truncate pull_requests, issues, discussions cascade")
    assert await search("anything") == (0, f"nothing is embedded yet with {MODEL}\n", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["search"], "TEXT"),
        (["search", "x"], "--workspace"),
        (["search", "x", "y", "--workspace", "acme"], "y"),
        (["search", " ", "--workspace", "acme"], "TEXT: is empty"),
        (["search", "x", "--workspace", "nobody's"], "--workspace: there is no workspace nobody's"),
        (["search", "x", "--workspace", "acme", "--type", "events"], '"events"'),
        *(
            (["search", "x", "--workspace", "acme", "--limit", limit], "--limit: must be a whole number from 1 to 1000")
            for limit in ("0", "-1", "1e1", "1001", "ten")
        ),
    ],
)
async def test_a_bad_argument_is_named(search: Searcher, arguments: Sequence[str], named: str) -> None:
    assert await program.run(arguments) == 2
    said = search.capsys.readouterr()
    [line] = said.err.splitlines()
    assert named in line
    assert said.out == ""


@pytest.mark.parametrize(
    ("name", "value", "exit_code"),
    [
        ("OPENAI_API_KEY", "", 2),
        ("OPENAI_API_KEY", "sk-of-somebody-else", 2),
        ("OPENAI_BASE_URL", "api.openai.com", 2),
        ("OPENAI_BASE_URL", f"http://{LOOPBACK}:1/v1", 3),
        ("EMBEDDING_MODEL", "text-embedding-9", 2),
        ("EMBEDDING_DIMENSIONS", "1536", 2),
        ("EMBEDDING_DIMENSIONS", "0", 2),
        ("DATABASE_URL", "", 2),
    ],
)
async def test_a_setting_that_is_at_fault_is_named(
    search: Searcher, monkeypatch: pytest.MonkeyPatch, name: str, value: str, exit_code: int
) -> None:
    monkeypatch.setenv(name, value)
    ended, out, err = await search("anything")
    assert (ended, out) == (exit_code, "")
    [line] = err.splitlines()
    assert (name if exit_code == 2 else value) in line
    assert "sk-of-somebody-else" not in line


@pytest.mark.parametrize("fault", [rate_limited(3), out_of_quota()], ids=["rate limit", "quota"])
async def test_a_server_that_does_not_answer_now_is_another_exit_code(
    search: Searcher, embeddings: EmbeddingServer, fault: Any
) -> None:
    embeddings.faults = [fault]
    ended, _, err = await search("anything")
    assert ended == 3
    assert len(err.splitlines()) == 1


async def test_a_text_that_is_far_too_long_is_cut(search: Searcher) -> None:
    assert len(await search.hits("handshake " * 20_000)) == 4


async def test_nothing_is_lost_among_many_of_others_and_the_index_is_used(
    search: Searcher, model: Model, database: str
) -> None:
    """The index finds the nearest of all workspaces first; ours come after a thousand that are filtered out."""
    wanted = model.vector(model.tokens("cooking pasta"), 384).tolist()
    await search.host.execute(
        """
        insert into issues (github_id, repository_id, number, title, state, embedding, embedding_model, created_at,
          updated_at)
        select 1000 + n, r.id, 1000 + n, 'noise', 'open', (
            select array_agg(value + 0.01 * random()) from unnest($1::real[]) value
          )::vector, $2, now(), now()
        from repositories r, generate_series(1, 1500) n where full_name = 'else/where'
        """,
        wanted,
        MODEL,
    )
    await search.host.execute("analyze issues")
    async with Database(database, size=1) as pool, pool.transaction() as connection:
        await connection.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        await connection.execute("set local enable_sort = off")
        hits = await store.nearest(connection, workspace="acme", model=MODEL, vector=wanted, limit=2, tables=["issues"])
        plan = await connection.fetch(f"explain select 1 from issues order by embedding <=> '{wanted}'::vector limit 2")
    assert [hit.number for hit in hits] == [2, 4]
    assert any("issues_embedding" in row[0] for row in plan)


async def test_pgvector_may_live_in_another_schema(
    empty_database: str, search: Searcher, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(empty_database)
    try:
        await connection.execute("create schema extensions; create extension vector schema extensions")
        await migrate(empty_database, report=lambda _line: None)
        buyer = await shop.buyer(connection)
        await shop.workspace(connection, buyer, "octo/a", slug="acme")
        await connection.execute("set search_path to public, extensions")
        await thread(connection, "octo/a", "issues", 2, TEXTS[2], vector(model, TEXTS[2]))
    finally:
        await connection.close()
    monkeypatch.setenv("DATABASE_URL", empty_database)
    exit_code, out, err = await search("pasta", "--json", workspace="acme")
    assert (exit_code, err) == (0, "")
    assert [hit["number"] for hit in json.loads(out)] == [2]


async def test_openai_is_not_loaded_by_other_commands() -> None:
    source = "import sys, starter, worker; sys.exit(bool({'openai', 'splintr'} & sys.modules.keys()))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", source, cwd=ROOT)
    assert await process.wait() == 0
