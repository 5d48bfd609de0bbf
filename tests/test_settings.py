"""Settings of GitHub and of the API: what is wrong is one line that names it and does not repeat it."""

from pathlib import Path

import pytest

from errors import BadInput
from settings import Api, Database, GitHub, Worker, check, load
from tests.support.keys import elliptic_key, private_key, public_key

KEY = private_key()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """In a directory without a `.env`; set what the test is about."""
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.parametrize("key", [KEY, KEY.replace("\n", "\\n"), f"\n{KEY}\n\n"], ids=["as it is", "one line", "blank"])
def test_an_app_needs_no_token(given: pytest.MonkeyPatch, key: str) -> None:
    given.setenv("GITHUB_APP_ID", "1234")
    given.setenv("GITHUB_APP_PRIVATE_KEY", key)
    found = load(GitHub)
    assert (found.app, found.tokens) == (("1234", KEY.strip()), ())
    assert KEY.splitlines()[1] not in repr(found)


def test_a_key_in_the_env_file(given: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given.setenv("GITHUB_TOKENS", "ghp_a, ghp_b")
    one_line = KEY.strip().replace("\n", "\\n")
    (tmp_path / ".env").write_text(f'GITHUB_APP_ID=Iv23liAbC\nGITHUB_APP_PRIVATE_KEY="{one_line}"\n')
    found = load(GitHub)
    assert (found.app, found.tokens) == (("Iv23liAbC", KEY.strip()), ("ghp_a", "ghp_b"))


def test_an_app_is_not_needed(given: pytest.MonkeyPatch) -> None:
    given.setenv("GITHUB_TOKEN", "ghp_a")
    assert (load(GitHub).app, load(GitHub).tokens) == (None, ("ghp_a",))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "GITHUB_TOKENS"),
        ({"GITHUB_APP_ID": "1234"}, "GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_ID": "1234", "GITHUB_TOKENS": "ghp_a"}, "GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_PRIVATE_KEY": KEY}, "GITHUB_APP_ID"),
        ({"GITHUB_APP_ID": "my-app", "GITHUB_APP_PRIVATE_KEY": KEY}, "GITHUB_APP_ID"),
        ({"GITHUB_APP_ID": "1234", "GITHUB_APP_PRIVATE_KEY": "hunter2"}, "GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_ID": "1234", "GITHUB_APP_PRIVATE_KEY": KEY[:400]}, "GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_ID": "1234", "GITHUB_APP_PRIVATE_KEY": KEY.replace("RSA ", "")}, "GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_ID": "1234", "GITHUB_APP_PRIVATE_KEY": public_key()}, "GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_ID": "1234", "GITHUB_APP_PRIVATE_KEY": elliptic_key()}, "GITHUB_APP_PRIVATE_KEY"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(given: pytest.MonkeyPatch, values: dict[str, str], name: str) -> None:
    for each, value in values.items():
        given.setenv(each, value)
    with pytest.raises(BadInput) as bad:
        load(GitHub)
    assert bad.value.name.startswith(name)
    assert len(bad.value.message.splitlines()) == 1
    shown = str(bad.value) + repr(bad.value.__cause__)
    for secret in ("hunter2", "ghp_a", *KEY.splitlines()[1:3]):
        assert secret not in shown


def test_all_that_is_missing_or_wrong_in_several_parts_is_named_at_once(given: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "GITHUB_TOKEN", "GITHUB_TOKENS"):
        given.delenv(name, raising=False)
    given.setenv("SLICE_PAGES", "25abc")
    with pytest.raises(BadInput) as bad:
        check(Database, GitHub, Worker, Database)
    said = str(bad.value)
    assert len(said.splitlines()) == 1
    for name in ("DATABASE_URL: missing", "GITHUB_TOKENS", "SLICE_PAGES: "):
        assert said.count(name) == 1, said
    given.setenv("SLICE_PAGES", "25")
    given.setenv("DATABASE_URL", "postgresql://h/d")
    given.setenv("GITHUB_TOKENS", "ghp_a")
    check(Database, GitHub, Worker)


@pytest.mark.parametrize(
    "origins",
    ["*", "null", "app.example.com", "https://app.example.com/page", "https://APP.example.com", "https://a b"],
)
def test_what_is_no_origin_is_refused(given: pytest.MonkeyPatch, origins: str) -> None:
    given.setenv("API_ALLOWED_ORIGINS", f"https://good.example.com,{origins}")
    with pytest.raises(BadInput, match="API_ALLOWED_ORIGINS: must be origins"):
        load(Api)


def test_origins_and_secrets_of_the_api(given: pytest.MonkeyPatch) -> None:
    given.setenv("API_ALLOWED_ORIGINS", " https://a.example.com/, http://localhost:5173,")
    given.setenv("SUPABASE_JWT_SECRET", "hunter2\n")
    given.setenv("BACKFILL_API_TOKEN", " ")
    found = load(Api)
    assert found.api_allowed_origins == ("https://a.example.com", "http://localhost:5173")
    assert (found.jwt_secret, found.service_token) == ("hunter2", None)
    assert "hunter2" not in repr(found)


def test_proxies_are_networks(given: pytest.MonkeyPatch) -> None:
    given.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32,192.0.2.1")
    assert [str(each) for each in load(Api).trusted_proxies] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"]
    given.setenv("TRUSTED_PROXIES", "everybody")
    with pytest.raises(BadInput, match="TRUSTED_PROXIES"):
        load(Api)
