"""No part of the password in `DATABASE_URL` is in what any program says, however it is written there."""

import asyncio
import json
import string

import asyncpg
import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st

import webhook
import worker
from addresses import check_postgres, show_postgres
from cli.program import run
from errors import BackfillError, BadInput
from sandbox.ports import LOOPBACK
from sandbox.temporal import Temporal
from schema.migrate import migrate
from settings import Database as DatabaseSettings
from settings import load
from store.database import Database
from tests.support import shop

WORDS = st.text(alphabet=string.ascii_uppercase + string.digits, min_size=4, max_size=8).map(lambda text: f"Q{text}")
"""Long enough to be no part of what is said anyway."""
SIGNS = st.text(alphabet="/@:#?%&=[]+ !$'\"\\\n\té\u2100", min_size=1, max_size=2)
PASSWORDS = st.tuples(WORDS, st.lists(st.tuples(SIGNS, WORDS), max_size=3)).map(
    lambda parts: (parts[0] + "".join(sign + word for sign, word in parts[1]), [parts[0], *(w for _, w in parts[1])])
)
SHAPES = st.sampled_from(
    [
        "postgresql://user:{}@127.0.0.1:1/db",
        "postgresql://user:{}@127.0.0.1/db?sslmode=no",
        "postgres://{}@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=x&password={}",
        "postgresql://user:5432{}@127.0.0.1:1/db",
        "postgresql://user:x@127.0.0.1:1{}@127.0.0.1:1/db",
    ]
)

ARGUMENTS = [
    "host",
    "port",
    "user",
    "password",
    "passfile",
    "database",
    "command_timeout",
    "statement_cache_size",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "ssl",
    "direct_tls",
    "server_settings",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
    "service",
    "servicefile",
]


def shows(words: list[str], said: str) -> list[str]:
    """Parts of these words that are in `said`."""
    return [word[at : at + 4] for word in words for at in range(len(word) - 3) if word[at : at + 4] in said]


@given(shape=SHAPES, password=PASSWORDS)
def test_no_setting_repeats_a_part_of_a_password(shape: str, password: tuple[str, list[str]]) -> None:
    url = shape.replace("{}", password[0])
    with pytest.MonkeyPatch.context() as patch:
        for given in ({"DATABASE_URL": url}, {"DATABASE_URL": "postgresql://h/d", "DATABASE_DIRECT_URL": url}):
            for name, value in given.items():
                patch.setenv(name, value)
            try:
                said = repr(load(DatabaseSettings))
            except BadInput as error:
                said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
                assert [*given][-1] in said
            assert not shows(password[1], said)
    assert not shows(password[1], show_postgres(url))


@given(shape=SHAPES, password=PASSWORDS)
async def test_no_connection_repeats_a_part_of_a_password(shape: str, password: tuple[str, list[str]]) -> None:
    url = shape.replace("{}", password[0])
    with pytest.raises(BackfillError) as error:
        async with Database(url):
            pass
    assert not shows(password[1], repr(error.value))
    with pytest.raises(BackfillError) as error:
        await migrate(url, report=lambda _: None)
    assert not shows(password[1], repr(error.value))


@given(shape=SHAPES, password=PASSWORDS)
def test_what_is_shown_is_where_asyncpg_connects(shape: str, password: tuple[str, list[str]]) -> None:
    url = shape.replace("{}", password[0])
    try:
        check_postgres(url)
        [address], parameters, _ = connect_utils._parse_connect_arguments(dsn=url, **dict.fromkeys(ARGUMENTS))  # type: ignore[attr-defined]
    except (ValueError, asyncpg.ClientConfigurationError):
        return
    assert show_postgres(url) == f"{address[0]}:{address[1]}/{parameters.database}"


@pytest.mark.parametrize("sign", ["/", "@", ":", "#", "?", "%", "%zz", "[", "]", "[]", "&", "\u2100", "/@", ":5/"])
@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_DIRECT_URL"])
@pytest.mark.parametrize("program", ["worker", "webhook", "migrate", "list", "start --workspace x", "status x"])
def test_no_program_repeats_a_part_of_a_password(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    temporal: Temporal,
    program: str,
    name: str,
    sign: str,
) -> None:
    settings = {
        "DATABASE_URL": f"postgresql://{LOOPBACK}:1/db",
        "TEMPORAL_ADDRESS": temporal.address,
        "GITHUB_TOKENS": "ghp_a",
        "POLAR_WEBHOOK_SECRET": shop.SECRET,
        "POLAR_RETENTION_PRODUCTS": json.dumps(shop.PRODUCTS),
    }
    for each, value in (settings | {name: f"postgresql://user:QXW7{sign}ZKJ4@{LOOPBACK}:1/db"}).items():
        monkeypatch.setenv(each, value)
    programs = {"worker": worker.main, "webhook": webhook.main}
    code = programs[program]() if program in programs else asyncio.run(run(program.split()))
    captured = capfd.readouterr()
    [line] = captured.err.splitlines()
    assert not shows(["QXW7", "ZKJ4"], line + captured.out)
    # An address that cannot be read is named; one that can be is where nobody answers.
    assert (code, name in line) == (2, True) or (code, f"{LOOPBACK}:1/db" in line) == (3, True)


def test_an_escaped_password_is_a_good_one() -> None:
    check_postgres("postgresql://u:%2F%3F%23%40%3A%5B%5D%25%26@[::1]:5432,h:1/db?application_name=a%40b")
