"""docs/faults.md names a test for everything that GitHub does, and every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = [line for line in (ROOT / "docs" / "faults.md").read_text().splitlines() if line.startswith("|")]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
}


def test_every_line_names_tests_that_are_there() -> None:
    lines = [row.strip("|").split("|") for row in ROWS if "---" not in row and not row.endswith("| test |")]
    assert len(lines) > 40
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line[-1])
        assert named, line
        assert set(named) <= TESTS, set(named) - TESTS


def test_every_report_has_its_line() -> None:
    assert [int(row.split("|")[1]) for row in ROWS if re.match(r"\| \d\d? \|", row)] == list(range(1, 15))
