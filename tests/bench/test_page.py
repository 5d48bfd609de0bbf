"""The bench of the page measures what it says, on so little that its numbers mean nothing."""

import json
from dataclasses import replace
from typing import Any

from bench.page import Run, judged
from bench.trace import Trace, covered


def event(name: str, at: float, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {"name": name, "ts": at * 1e6, "dur": seconds * 1e6, "ph": "X", "pid": 1, "tid": 1, **fields}


def test_script_that_runs_inside_of_script_is_counted_once() -> None:
    assert covered([(0, 4), (1, 2), (3, 6), (10, 11)]) == 7
    assert covered([]) == 0


def test_a_section_counts_the_scripts_of_its_page_and_the_frames_that_were_drawn() -> None:
    events = [
        event("navigationStart", 0),
        event("navigationStart", 1),
        event("EvaluateScript", 0.5, 0.2),  # of the page before
        event("EvaluateScript", 1.1, 0.2),
        event("FunctionCall", 1.2, 0.05),
        event("Layout", 1.4, 0.3),
        event("EvaluateScript", 1.4, 0.3, tid=7),  # of another thread
        event("EvaluateScript", 1.4, 0.3, pid=2),  # of another process
        event("DrawFrame", 1.5, tid=3),
        event("DrawFrame", 1.6, tid=3),
        event("rendered", 2),
        event("FunctionCall", 2.5, 1),
    ]
    section = Trace(json.dumps({"traceEvents": events}).encode()).between("navigationStart", "rendered")
    assert section.seconds == 1
    assert round(section.script_seconds, 6) == 0.2
    assert section.frames_per_second == 2


def test_a_page_that_misses_a_change_or_shows_too_few_rows_is_a_missed_aim() -> None:
    good = Run(
        1_000,
        100,
        3,
        rows=1_000,
        script_seconds=[0.2, 0.25, 0.9],
        frames_per_second=[58, 59, 60],
        plain_frames_per_second=[60, 60, 60],
        seconds=[0.3] * 200,
        stream_seconds=[0.3] * 200,
    )
    assert all(aim.met for aim in judged(good))
    worse: dict[str, Any] = {
        "rows": 999,
        "script_seconds": [0.4] * 3,
        "frames_per_second": [30, 31, 60],
        "missed": 1,
        "seconds": [0.3] * 97 + [1.1] * 3,
        "stream_seconds": [0.3] * 97 + [1.1] * 3,
    }
    for field, value in worse.items():
        assert [aim.met for aim in judged(replace(good, **{field: value}))].count(False) == 1, field
