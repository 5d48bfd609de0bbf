"""Every stored thread gets its vector, once, from the text that it has; whatever the server does in between."""

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from embedding.batches import MOST_TEXTS
from sandbox.embeddings import Answered, EmbeddingServer, Model, Refused, out_of_quota, rate_limited, server_error
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from sandbox.processes import Process, Processes
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.truth import check
from tests.support.waiting import PATIENCE, eventually

MODEL = "text-embedding-3-small"
PLAN = Plan("acme/words", pull_requests=40, issues=30, discussions=20, years=2, **LITTLE)
TABLES = ("pull_requests", "issues", "discussions")
THREADS = " union all ".join(
    f"select '{table}' as \"table\", number, title, body, updated_at, embedding::text as vector, embedding_model,"
    f" embedding_generated_at, content_hash from {table}"
    for table in TABLES
)


@pytest.fixture
def backfill(backfill: Backfill, embeddings: EmbeddingServer) -> Backfill:
    """With a key."""
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    return backfill


@pytest.fixture
def direct(direct: Backfill, embeddings: EmbeddingServer) -> Backfill:
    """With a key."""
    direct.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    return direct


def text_of(thread: Any) -> str:
    """As documented: the title, a blank line, the body."""
    return f"{thread['title']}\n\n{thread['body'] or ''}".strip()


def paid(requests: Iterable[Answered]) -> Counter[str]:
    """Text -> how often a vector of it was bought."""
    return Counter(text for each in requests if each.status == 200 for text in each.texts)


def workers(programs: Processes) -> list[Process]:
    return [each for each in programs.started if each.name.startswith("worker-")]


async def stored(backfill: Backfill) -> list[Any]:
    return await backfill.rows(THREADS)


async def sweep_of(backfill: Backfill, job_id: str) -> Any:
    [sweep] = await backfill.rows(
        "select * from backfill_sweeps where backfill_job_id = $1 and data_type = 'embeddings'", job_id
    )
    return sweep


async def swept(serve: Callable[..., StandIn], backfill: Backfill, plan: Plan = PLAN) -> tuple[Repository, str, str]:
    """A repository whose first job has ended: itself, its workspace's id, the job's id."""
    world = World()
    repository = generate(world, plan)
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id, types=())
    await backfill.ended(job_id)
    return repository, workspace_id, job_id


async def test_every_thread_is_embedded_once_and_a_second_job_pays_for_nothing(
    serve: Callable[..., StandIn], direct: Backfill, embeddings: EmbeddingServer
) -> None:
    repository, workspace_id, job_id = await swept(serve, direct)
    await direct.completed(job_id)
    threads = await stored(direct)
    assert len(threads) == 90
    assert paid(embeddings.requests) == Counter(map(text_of, threads))
    model = Model()
    for thread in threads:
        assert_vector(thread, model)
        assert thread["embedding_model"] == MODEL
        assert thread["embedding_generated_at"] is not None
        assert len(thread["content_hash"]) == 64
    # GitHub's own `updated_at` among everything else.
    await check(direct.dsn, repository)
    [progress] = await direct.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    assert progress["embeddings_count"] == 90
    assert progress["data_types_completed"] == ["discussions", "embeddings", "events", "issues", "pull_requests"]
    sweep = await sweep_of(direct, job_id)
    assert (sweep["expected"], sweep["points"]) == (90, 0)

    bought = len(embeddings.requests)
    again = await direct.start(workspace_id, types=())
    await direct.completed(again)
    assert len(embeddings.requests) == bought
    assert await stored(direct) == threads
    assert (await sweep_of(direct, again))["requests"] == 0


async def test_a_changed_text_is_embedded_again_and_only_that(
    serve: Callable[..., StandIn], direct: Backfill, embeddings: EmbeddingServer
) -> None:
    repository, workspace_id, _ = await swept(serve, direct)
    before = {(each["table"], each["number"]): each for each in await stored(direct)}
    embeddings.requests.clear()
    someone = repository.world.account("somebody")
    [edited, renamed, closed, *_] = repository.issues.values()
    pull = next(iter(repository.pull_requests.values()))
    edited.edit(body="The handshake fails behind a proxy.", by=someone)
    renamed.edit(title="Proxies break the handshake", by=someone)
    closed.comment(someone, "It does.")
    pull.edit(body="", by=someone)
    await direct.completed(await direct.start(workspace_id, types=()))
    await check(direct.dsn, repository)
    changed = {("issues", edited.number), ("issues", renamed.number), ("pull_requests", pull.number)}
    after = {(each["table"], each["number"]): each for each in await stored(direct)}
    assert paid(embeddings.requests) == Counter(text_of(after[key]) for key in changed)
    for key, thread in after.items():
        assert (thread["vector"] != before[key]["vector"]) is (key in changed), key
        assert (thread["content_hash"] != before[key]["content_hash"]) is (key in changed), key
    assert after["issues", closed.number]["updated_at"] > before["issues", closed.number]["updated_at"]


async def test_what_the_host_embedded_otherwise_is_embedded_again(
    serve: Callable[..., StandIn], direct: Backfill, embeddings: EmbeddingServer
) -> None:
    _, workspace_id, _ = await swept(serve, direct)
    embeddings.requests.clear()
    before = await stored(direct)
    changes = {
        "pull_requests": "embedding_model = 'text-embedding-ada-002'",
        "issues": "content_hash = md5('as it was')",
        "discussions": "embedding = null, embedding_generated_at = null",
    }
    async with connected(direct.dsn) as connection:
        numbers = {
            (table, number)
            for table, change in changes.items()
            for number in [await connection.fetchval(f"select max(number) from {table}")]
            if await connection.execute(f"update {table} set {change} where number = $1", number)
        }
        # Not fetched by us, and older than what is asked for.
        await connection.execute(
            "update issues set embedding = null, node_id = null, updated_at = '1999-01-01'"
            " where number = (select min(number) from issues)"
        )
    await direct.completed(await direct.start(workspace_id, types=["embeddings"]))
    wanted = Counter(text_of(each) for each in before if (each["table"], each["number"]) in numbers)
    assert paid(embeddings.requests) == wanted
    after = [each for each in await stored(direct) if (each["table"], each["number"]) in numbers]
    assert {(each["embedding_model"], len(each["content_hash"])) for each in after} == {(MODEL, 64)}


async def test_another_model_embeds_everything_again(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer, programs: Processes
) -> None:
    _, workspace_id, _ = await swept(serve, backfill, Plan("acme/few", pull_requests=3, issues=3, years=1))
    [worker] = workers(programs)
    worker.stop(within=PATIENCE)
    embeddings.requests.clear()
    backfill.environment["EMBEDDING_MODEL"] = "text-embedding-3-large"
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(workspace_id, types=()))
    threads = await stored(backfill)
    assert paid(embeddings.requests) == Counter(map(text_of, threads))
    assert {each["embedding_model"] for each in threads} == {"text-embedding-3-large"}


PASSING = {
    "a rate limit that says how long": [rate_limited(1.5)],
    "errors": [server_error(), Refused(503, "overloaded"), Refused(502, "bad gateway")],
    "a rate limit that says it in words": [
        Refused(429, "Please try again in 1.2s.", "requests", "rate_limit_exceeded")
    ],
    "more at once than the account may have in a minute": [
        Refused(429, "Request too large for text-embedding-3-small on tokens per min (TPM): Limit 900, Requested 9000")
    ],
    "more than the server takes in a request": [Refused(413, "payload too large")],
}


@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_costs_no_thread(
    name: str, serve: Callable[..., StandIn], direct: Backfill, embeddings: EmbeddingServer
) -> None:
    embeddings.faults = list(PASSING[name])
    _, _, job_id = await swept(serve, direct)
    await direct.completed(job_id)
    assert embeddings.faults == []
    assert paid(embeddings.requests) == Counter(map(text_of, await stored(direct)))
    if name == "a rate limit that says how long":
        refused, next_one, *_ = embeddings.requests
        assert (refused.status, next_one.status) == (429, 200)
        assert next_one.started - refused.started >= 1.5


ENDING = {
    "out of quota": ([out_of_quota()] * 3, {}, "openai_quota", "add credit"),
    "a model that does not exist": ([], {"EMBEDDING_MODEL": "text-embedding-9"}, "openai_not_found", "EMBEDDING_MODEL"),
    "a key that is wrong": ([], {"OPENAI_API_KEY": "sk-of-somebody-else"}, "openai_unauthorized", "OPENAI_API_KEY"),
    "a model that knows no dimensions": (
        [Refused(400, "This model does not support specifying dimensions.", param="dimensions")] * 3,
        {},
        "openai_dimensions",
        "EMBEDDING_MODEL",
    ),
    "a server that refuses everything": ([Refused(400, "no")] * 99, {}, "openai_refused", "OPENAI_BASE_URL"),
}


@pytest.mark.parametrize("name", ENDING)
async def test_what_a_person_has_to_mend_ends_the_type_and_no_other(
    name: str, serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer, programs: Processes
) -> None:
    embeddings.faults, settings, code, action = list(ENDING[name][0]), *ENDING[name][1:]
    backfill.environment |= settings
    repository, _, job_id = await swept(serve, backfill)
    [job] = await backfill.rows("select * from workspace_backfill_jobs where id = $1", job_id)
    assert job["status"] == "failed"
    async with connected(backfill.dsn) as connection:
        [error] = await connection.fetchval("select error_details from workspace_backfill_jobs where id = $1", job_id)
    assert (error["code"], error["data_type"]) == (code, "embeddings")
    assert action in error["action"]
    assert len(embeddings.requests) < 30
    await check(backfill.dsn, repository)
    # Neither in a row nor in a log.
    async with connected(backfill.dsn) as connection:
        for table in ("workspace_backfill_jobs", "backfill_sweeps", "workspace_backfill_progress"):
            rows = await connection.fetch(f"select t::text as row from {table} t")
            assert not any(backfill.environment["OPENAI_API_KEY"] in each["row"] for each in rows)
    [worker] = workers(programs)
    assert backfill.environment["OPENAI_API_KEY"] not in worker.tail(10_000)


async def test_a_text_that_is_too_long_is_cut(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer, programs: Processes
) -> None:
    world = World()
    repository = generate(world, Plan("acme/long", pull_requests=5, issues=10, years=1))
    someone = world.account("somebody")
    # The first is cut by tokens of OpenAI's own vocabulary; for the second the stand-in, which has another one, counts
    # more than we do.
    long, longer = list(repository.issues.values())[:2]
    long.edit(body="the proxy breaks the handshake " * 2_000, by=someone)
    longer.edit(body="Verschlüsselungsverfahren für Gruppennachrichten 漢字 " * 700, by=someone)
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), types=())
    await backfill.completed(job_id)
    threads = await stored(backfill)
    sent = paid(embeddings.requests)
    short = [text_of(each) for each in threads if each["number"] not in (long.number, longer.number)]
    assert all(sent[text] == 1 for text in short)
    cut = [text for text in sent if text not in short]
    assert len(cut) == 2
    assert all(any(text_of(each).startswith(text) for each in threads) for text in cut)
    assert all(len(text) > 8_000 for text in cut)
    assert all(each["vector"] for each in threads)
    [worker] = workers(programs)
    assert "maximum input length" in worker.tail(10_000)
    bought = len(embeddings.requests)
    await backfill.completed(await backfill.start(backfill.workspaces[0], types=()))
    assert len(embeddings.requests) == bought, "the hash is of the whole text, however it was cut"


async def test_a_poisoned_text_fails_alone_by_its_number_and_a_retry_asks_for_it_again(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, Plan("acme/poison", pull_requests=0, issues=300, years=1, **LITTLE))
    poisoned = list(repository.issues.values())[137]
    poisoned.edit(body="some arsenic", by=world.account("somebody"))
    embeddings.poison = "arsenic"
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), types=())
    job = await backfill.ended(job_id)
    assert job["status"] == "failed"
    async with connected(backfill.dsn) as connection:
        [error] = await connection.fetchval("select error_details from workspace_backfill_jobs where id = $1", job_id)
    assert (error["data_type"], error["code"]) == ("embeddings", "incomplete")
    assert f"1 of 300 threads could not be embedded: #{poisoned.number} " in error["message"]
    without = [each["number"] for each in await stored(backfill) if each["vector"] is None]
    assert without == [poisoned.number]
    sent = paid(embeddings.requests)
    assert {text: times for text, times in sent.items() if times > 1} == {}
    # Halves of halves: two for each power of two, the harmless one, and what there is to embed anyway.
    assert len(embeddings.requests) < 30

    embeddings.poison = None
    embeddings.requests.clear()
    ended = await backfill.run_starter(backfill.environment, "retry", job_id)
    assert ended.exit_code == 0, ended.stderr
    job = await backfill.until("attempt = 1 and completed_at is not null", job_id)
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert [len(each.texts) for each in embeddings.requests] == [1]
    assert not await backfill.rows("select 1 from backfill_parts")


async def test_without_a_key_it_is_skipped_with_the_reason(
    serve: Callable[..., StandIn], direct: Backfill, embeddings: EmbeddingServer
) -> None:
    del direct.environment["OPENAI_API_KEY"]
    _, workspace_id, job_id = await swept(serve, direct)
    await direct.completed(job_id)
    sweep = await sweep_of(direct, job_id)
    assert sweep["status"] == "skipped"
    [progress] = await direct.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    assert progress["data_types_skipped"] == ["embeddings"]
    assert embeddings.requests == []
    said = await direct.run_starter(direct.environment, "status", workspace_id)
    assert "OPENAI_API_KEY is not set" in said.stdout
    # By itself it is no failure either.
    await direct.completed(await direct.start(workspace_id, types=["embeddings"]))


async def test_threads_are_embedded_while_others_are_still_fetched(
    serve: Callable[..., StandIn], direct: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, Plan("acme/many", pull_requests=300, issues=200, years=2, **LITTLE))
    github = serve(world, latency=0.05)
    direct.at(github)
    direct.environment["SLICE_PAGES"] = "3"
    await direct.start_worker(direct.environment)
    job_id = await direct.start(await direct.workspace(repository), types=())
    await direct.completed(job_id)
    assert embeddings.requests[0].started < max(each.started for each in github.log if each.kind == "graphql")
    early = paid(each for each in embeddings.requests if each.started < github.log[-1].started)
    assert early.total() > 250, "most of them, not a first few"
    assert set(paid(embeddings.requests).values()) == {1}
    assert all(each["vector"] for each in await stored(direct))


async def test_a_kill_costs_at_most_the_batch_in_flight(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer, programs: Processes
) -> None:
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "60"
    world = World()
    repository = generate(world, Plan("acme/killed", pull_requests=0, issues=700, years=2, **LITTLE))
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id, types=["issues"]))
    lost: list[Sequence[str]] = []

    async def kill(texts: Sequence[str]) -> None:
        """Before the answer to the first, third and fourth request."""
        if len(embeddings.requests) in (0, 2, 3):
            lost.append(texts)
            worker = workers(programs)[-1]
            worker.send(signal.SIGKILL)
            worker.wait(within=PATIENCE)

    embeddings.meanwhile = kill
    job_id = await backfill.start(workspace_id, types=["embeddings"])
    for number in (1, 2, 3):

        async def killed(number: int = number) -> bool:
            return len(lost) == number

        await eventually(killed)
        await backfill.died(workers(programs)[-1])
        await backfill.start_worker(backfill.environment)
    await backfill.completed(job_id)
    sent = paid(embeddings.requests)
    assert len(sent) == 700
    assert {text for text, times in sent.items() if times > 1} <= {text for texts in lost for text in texts}
    assert sent.total() == 700 + sum(map(len, lost))
    assert all(len(texts) <= MOST_TEXTS for texts in lost)
    assert all(each["vector"] for each in await stored(backfill))


async def test_a_text_that_changes_while_it_is_embedded_does_not_get_the_old_vector(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, Plan("acme/racing", pull_requests=0, issues=5, years=1))
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id, types=["issues"]))

    stored_between: list[list[int]] = []

    async def change(_texts: Sequence[str]) -> None:
        embeddings.meanwhile = look
        async with connected(backfill.dsn) as connection:
            await connection.execute("update issues set body = 'by the host, in the middle' where number = 1")

    async def look(_texts: Sequence[str]) -> None:
        rows = await backfill.rows("select number from issues where embedding is not null order by 1")
        stored_between.append([row["number"] for row in rows])

    embeddings.meanwhile = change
    await backfill.completed(await backfill.start(workspace_id, types=["embeddings"]))
    assert [len(each.texts) for each in embeddings.requests] == [5, 1]
    assert stored_between == [[2, 3, 4, 5]]
    model = Model()
    for thread in await stored(backfill):
        assert_vector(thread, model)


def assert_vector(thread: Any, model: Model) -> None:
    """That of its text, as it is."""
    vector = [float(value) for value in thread["vector"][1:-1].split(",")]
    assert vector == pytest.approx(model.vector(model.tokens(text_of(thread)), 384).tolist(), abs=1e-6)
