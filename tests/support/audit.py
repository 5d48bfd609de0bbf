"""Prints which pinned packages have known vulnerabilities: `python -m tests.support.audit requirements.txt`.

pip-audit asks the package index. If the index cannot be reached, or knows no vulnerabilities, one line says so and
nothing fails.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 60.0
ACCEPTED: dict[str, str] = {}
"""Vulnerabilities that we live with: id -> why."""


def main() -> int:
    """Checks the packages. Returns 1 if one has a known vulnerability, else 0."""
    try:
        told = json.loads(_ask(sys.argv[1]))["dependencies"]
    except (ValueError, subprocess.TimeoutExpired) as error:
        return _skipped(str(error))
    known = [each for each in told if "skip_reason" not in each]
    if not known:
        return _skipped(f"the index tells nothing of {len(told)} packages")
    found = [line for each in known for line in _lines(each)]
    print("\n".join(found) or f"No known vulnerability in {len(known)} of {len(told)} packages")
    return 1 if found else 0


def _ask(requirements: str) -> str:
    command = [str(Path(sys.executable).parent / "pip-audit"), "--format", "json", "--progress-spinner", "off"]
    command += ["--require-hashes", "--disable-pip", "--timeout", "5", "--requirement", requirements]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if not ended.stdout:
        raise ValueError((ended.stderr.strip().splitlines() or ["pip-audit says nothing"])[-1])
    return ended.stdout


def _lines(package: dict[str, Any]) -> list[str]:
    name, found = (
        f"{package['name']} {package['version']}",
        [each for each in package["vulns"] if each["id"] not in ACCEPTED],
    )
    return [f"{name}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no version'}" for each in found]


def _skipped(why: str) -> int:
    print(f"pip-audit is skipped: {why[:200]}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
