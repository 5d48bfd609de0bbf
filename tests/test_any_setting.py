"""Whatever stands in the environment or in `.env` is a setting, or one line that names what is wrong."""

import inspect
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st
from pydantic_settings import BaseSettings

import settings
from errors import BadInput
from tests.support.keys import private_key
from tests.support.thoroughness import examples

PARTS = [
    part
    for _, part in inspect.getmembers(settings, inspect.isclass)
    if issubclass(part, BaseSettings) and part.__module__ == settings.__name__ and not part.__name__.startswith("_")
]
KEY = private_key()
BYTES = st.binary(max_size=40).map(lambda value: value.replace(b"\0", b""))
"""An environment holds any bytes but NUL; those that are no UTF-8 arrive as lone surrogates."""
TEXTS = BYTES.map(os.fsdecode) | st.sampled_from(
    [
        "",
        " ",
        ",",
        "[",
        "{}",
        "²",
        "-1",
        "1e999",
        "9" * 5_000,
        "NaN",
        "ghp_a\n",
        "ghp_a,gh p_b",
        "ghp_\u00e9",
        "http://[",
        "a:b",
    ]
)
TEXTS |= st.sampled_from(
    ["https://h", "http://h:99999", "postgresql://h/d", "a@b", '{"p": 365}', "10.0.0.0/99", "Iv1.a", "\u0663"]
)


@st.composite
def keys(draw: st.DrawFn) -> str:
    """Draws the App's key with some characters gone, others or too many."""
    start = draw(st.integers(0, len(KEY)))
    return KEY[:start] + draw(BYTES.map(os.fsdecode)) + KEY[start + draw(st.integers(0, 9)) :]


@pytest.fixture(autouse=True)
def _without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
@given(data=st.data())
@thoroughness(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_the_environment(part: type[settings.PartT], data: st.DataObject) -> None:
    names = [name.upper() for name in part.model_fields]
    values = data.draw(st.dictionaries(st.sampled_from(names), TEXTS, max_size=4))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        try:
            found = settings.load(part)
        except BadInput as wrong:
            assert wrong.name.strip()
            assert len(wrong.message.splitlines()) == 1
            return
        # What is derived from them is a value, too.
        for name, of in inspect.getmembers(part):
            if isinstance(of, property) and of.fget is not None and of.fget.__module__ == settings.__name__:
                getattr(found, name)


@given(key=keys())
@thoroughness(max_examples=examples(5, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_key_of_an_app_is_one_or_is_refused(key: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_APP_ID", "1")
        patch.setenv("GITHUB_APP_PRIVATE_KEY", key)
        with suppress(BadInput):
            assert settings.load(settings.GitHub).app


@given(tokens=TEXTS, token=TEXTS)
@thoroughness(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_token_can_be_sent(tokens: str, token: str) -> None:
    for name, value in (("GITHUB_TOKENS", tokens), ("GITHUB_TOKEN", token)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            try:
                found = settings.load(settings.GitHub)
            except BadInput:
                continue
        assert found.tokens
        for each in found.tokens:
            assert each
            assert each.isascii()
            assert each.isprintable()
            assert " " not in each


@given(content=st.binary(max_size=40) | st.builds(b"GITHUB_TOKEN=%s\n".__mod__, st.binary(max_size=20)))
@thoroughness(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_a_file(content: bytes) -> None:
    Path(".env").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_TOKENS", "ghp_a")
        try:
            settings.load(settings.GitHub)
        except BadInput as wrong:
            assert len(wrong.message.splitlines()) == 1


def test_the_line_end_behind_a_token_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", " ghp_a\n")
    assert settings.load(settings.GitHub).tokens == ("ghp_a",)


def test_a_file_that_is_no_text_is_named() -> None:
    Path(".env").write_bytes(b"GITHUB_TOKEN=\xff")
    with pytest.raises(BadInput, match=r"\.env: is no text in UTF-8"):
        settings.load(settings.GitHub)
