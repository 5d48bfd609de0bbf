"""No secret reaches a log, whichever way it comes; every line of every library has the same form."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logs

ROOT = Path(__file__).parent.parent
SECRET = 'sécret"\\with\nall'


TWO_TESTS = """
import atexit, logging, logs, pytest

atexit.register(logging.getLogger().warning, "at the end of all")

def test_that_configures():
    logs.configure("json")
    logging.getLogger().warning("here")

@pytest.mark.parametrize("number", [1, 2])
def test_that_logs_later(number):
    logging.getLogger().warning("later")
"""


def test_a_test_that_configures_logging_leaves_no_handler_of_a_closed_stream(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TWO_TESTS)
    arguments = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "Logging error" not in ended.stdout + ended.stderr
    assert "I/O operation on closed file" not in ended.stdout + ended.stderr
    assert ended.stderr.splitlines()[-1] == "at the end of all"


@pytest.fixture
def lines() -> Callable[[str, str], list[str]]:
    """Runs Python statements after `logs.configure` in a process of its own; its lines on standard error."""

    def run(log_format: str, statements: str) -> list[str]:
        program = (
            f"import logging, structlog, logs\nlogs.configure({log_format!r})\nlog = structlog.get_logger('test')\n"
        )
        command = [sys.executable, "-c", program + statements]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.stdout == ""
        return ended.stderr.splitlines()

    return run


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_nothing_secret_is_shown(lines: Callable[[str, str], list[str]], log_format: str) -> None:
    shown = lines(
        log_format,
        f"""
SECRET = {SECRET!r}
logs.register_secret(SECRET)
class Client:
    def __repr__(self): return f"Client({{SECRET!r}}, postgres://u:hunter2@h)"
log.info("bound", value=SECRET, nested=dict(deep=[SECRET, b"Authorization: token hunter2"]), client=Client())
log.info("headers", headers={{"Authorization": "Bearer hunter2"}}, more=[("authorization", "hunter2")])
log.info("url", url="postgresql://user:hunter2@host:5432/db", smtp="smtps://:hunter2@mail")
logging.getLogger("temporalio.worker").warning("of a library: %s ghp_hunter2", SECRET)
log.info("key", pem="-----BEGIN RSA PRIVATE KEY-----\\nhunter2\\n-----END RSA PRIVATE KEY-----")
log.info("installation", token="ghs_7_eyJhunter2.hunter2.hunter2-hunter2", signed="eyJhunter2.hunter2.hunter2")
def fail():
    hunter2 = 1
    raise ValueError("Bearer hunter2.hunter2 " + SECRET)
try: fail()
except ValueError: log.exception("caught")
logging.captureWarnings(True); import warnings; warnings.warn("https://u:hunter2@host")
raise RuntimeError("postgres://u:hunter2@h")
""",
    )
    text = "\n".join(shown).replace("    hunter2 = 1", "")
    assert "hunter2" not in text
    assert "cret" not in text.replace("SECRET", "")
    assert text.count(logs.REDACTED) >= 16


def test_json_is_one_object_a_line(lines: Callable[[str, str], list[str]]) -> None:
    shown = lines(
        "json",
        """
structlog.contextvars.bind_contextvars(workflow="w")
log.info("ours", count=1, when=object, key={1: 2})
logging.getLogger("aiohttp.server").error("theirs %d", 5, extra={"peer": "::1"})
logging.getLogger("openai").info("POST of every request")
log.debug("too small")
raise KeyError("bug")
""",
    )
    events: list[dict[str, Any]] = [json.loads(line) for line in shown]
    assert [(event["event"], event["level"], event["workflow"]) for event in events] == [
        ("ours", "info", "w"),
        ("theirs 5", "error", "w"),
        ("uncaught", "critical", "w"),
    ]
    assert list(events[0])[:3] == ["timestamp", "level", "event"]
    assert events[0]["count"] == 1
    assert events[1]["peer"] == "::1"
    assert events[1]["logger"] == "aiohttp.server"
    assert "KeyError" in events[2]["exception"]


def test_configuring_again_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        logs.configure("json")
        logs.configure("console")
        logging.getLogger("again").info("once")
        assert capsys.readouterr().err.count("once") == 1
    finally:
        root.handlers, sys.excepthook = before, sys.__excepthook__
        root.setLevel(level)
        logging.captureWarnings(capture=False)


def test_a_secret_that_is_forgotten_is_text_like_any_other() -> None:
    logs.register_secret(SECRET)
    assert logs.redact(f"{SECRET} {SECRET!r}") == f"{logs.REDACTED} '{logs.REDACTED}'"
    logs.forget_secret(SECRET)
    assert logs.redact(f"{SECRET} {SECRET!r}") == f"{SECRET} {SECRET!r}"


def test_what_is_not_secret_stays() -> None:
    text = "https://api.example.com:443/x the authorization failed; bearer of news at user@host, ghost"
    assert logs.redact(text) == text
