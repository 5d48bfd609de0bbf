"""Reads from a trace of Chromium what a page costs: the time of scripts, and frames."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

CATEGORIES = (
    "devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "disabled-by-default-v8.compile",
    "blink.user_timing",
    "v8",
)
"""Only the categories that are read, because each one slows the page."""
SCRIPT = frozenset(
    {
        "EvaluateScript",
        "FunctionCall",
        "RunMicrotasks",
        "TimerFire",
        "FireAnimationFrame",
        "EventDispatch",
        "v8.compile",
        "v8.compileModule",
        "v8.evaluateModule",
        "v8.run",
        "v8.callFunction",
        "ParseAuthorStyleSheet",
    }
)
"""Events in which scripts run or are prepared. Work that they cause at once (layout) is included."""

Event = dict[str, Any]


class Trace:
    """The events of one renderer's main thread, the frames of its compositor, and marks."""

    def __init__(self, data: bytes) -> None:
        self._events: list[Event] = json.loads(data)["traceEvents"]

    def between(self, first: str, last: str) -> "Section":
        """Returns the part of the trace between two marks of a page: `navigationStart`, or names given to
        `performance.mark`.
        """
        [ended] = [event for event in self._events if event["name"] == last]
        begins = [event for event in self._events if event["name"] == first and event["pid"] == ended["pid"]]
        began = max((event for event in begins if event["ts"] <= ended["ts"]), key=lambda event: float(event["ts"]))
        within = [each for each in self._events if began["ts"] <= each.get("ts", 0) <= ended["ts"]]
        return Section([each for each in within if each["pid"] == ended["pid"]], ended["tid"], began["ts"], ended["ts"])


class Section:
    """A part of a trace, of one renderer process."""

    def __init__(self, events: Sequence[Event], main_thread: int, began: float, ended: float) -> None:
        self._events = events
        self._main = main_thread
        self.seconds = (ended - began) / 1e6

    @property
    def script_seconds(self) -> float:
        """The time that scripts ran on the main thread. Nested events are counted once."""
        spans = (
            (event["ts"], event["ts"] + event["dur"])
            for event in self._events
            if event["tid"] == self._main and event["ph"] == "X" and event["name"] in SCRIPT
        )
        return covered(spans) / 1e6

    @property
    def frames(self) -> int:
        """The number of frames that the compositor drew."""
        return sum(event["name"] == "DrawFrame" for event in self._events)

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds if self.seconds else 0


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Returns the length that these spans cover. Where they overlap, it is counted once."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total
