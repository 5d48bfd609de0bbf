"""What `make check` makes of pip-audit's answer."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support import audit

SAFE = {"name": "safe", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
VULNERABLE = {"name": "old", "version": "0.9", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.0"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([SAFE, UNKNOWN], 0, "No known vulnerability in 1 of 2 packages"),
        ([SAFE, VULNERABLE], 1, "old 0.9: PYSEC-1, mended in 1.0"),
        ([UNKNOWN], 0, "pip-audit is skipped: the index tells nothing of 1 packages"),
        (None, 0, "pip-audit is skipped: no connection"),
    ],
)
def test_a_known_vulnerability_fails_and_a_silent_index_does_not(
    packages: list[dict[str, Any]] | None,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})

    def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, out, "Traceback\nno connection")

    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(sys, "argv", ["audit", "requirements.txt"])
    assert audit.main() == code
    assert said in "".join(capsys.readouterr())
