"""The faults that are switched on, and the requests that they apply to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from sandbox.github.exchange.requests import Kind, Request
from sandbox.github.faults.effect import Effect
from sandbox.github.faults.limits import Headers, PrimaryLimit, SecondaryLimit, StaleUsed
from sandbox.github.faults.nodes import NullNode, ResourceLimits
from sandbox.github.faults.replies import (
    BadCredentials,
    BadGateway,
    Forbidden,
    GatewayTimeout,
    ServerError,
    SomethingWentWrong,
)
from sandbox.github.faults.transport import Hang, Latency, Reset, Truncated

EFFECTS: dict[str, type[Effect]] = {
    effect.__name__: effect
    for effect in (
        BadGateway,
        GatewayTimeout,
        SomethingWentWrong,
        ResourceLimits,
        NullNode,
        PrimaryLimit,
        SecondaryLimit,
        Forbidden,
        BadCredentials,
        ServerError,
        Headers,
        StaleUsed,
        Reset,
        Truncated,
        Latency,
        Hang,
    )
}
"""Effects that a control request can switch on by name."""


@dataclass
class Fault:
    """A fault that is switched on, and the conditions that a request has to meet. `path` is a pattern of the URL's path
    and query (`*/pulls/comments*`). `account` is the owner of the budget that a request uses (`Request.payer`).
    """

    effect: Effect
    times: int | None = 1
    kind: Kind | None = None
    operation: str | None = None
    path: str | None = None
    page_over: int = 0
    account: str | None = None
    when: Callable[[Request], bool] | None = None
    hits: int = 0

    def matches(self, request: Request) -> bool:
        return (
            self.kind in (None, request.kind)
            and self.operation in (None, request.operation)
            and (self.path is None or fnmatch(request.path, self.path))
            and request.page_size >= (self.page_over + 1 if self.page_over else 0)
            and self.account in (None, request.payer or None)
            and (self.when is None or self.when(request))
        )

    @property
    def over(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The faults that are switched on, oldest first. Every fault that matches a request applies to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._cursors: set[str] = set()

    def add(self, effect: Effect, **how: Any) -> Fault:
        """Switches on a fault and returns it; `hits` of the returned fault says how often it has applied. `how` are the
        other fields of `Fault`. With `times=None` the fault stays on until it is removed.
        """
        fault = Fault(effect, **how)
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._cursors.clear()

    def refuse_cursor(self, cursor: str) -> None:
        """Makes GitHub refuse this cursor from now on."""
        with self._lock:
            self._cursors.add(cursor)

    @property
    def refused_cursors(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._cursors)

    def match(self, request: Request) -> list[Effect]:
        """Returns the effects of the faults that apply to this request, and counts a hit for each of these faults.
        Stores two things in the request: the names of the effects, and a function that returns whether an item is
        listed.
        """
        with self._lock:
            met = [fault for fault in self._faults if fault.matches(request)]
            for fault in met:
                fault.hits += 1
            self._faults = [fault for fault in self._faults if not fault.over]
        effects = [fault.effect for fault in met]
        request.faults = tuple(type(effect).__name__ for effect in effects)
        if selecting := [effect for effect in effects if effect.selects]:
            request.selected = lambda thing: all(each.selected(request, thing) for each in selecting)
        return effects

    def described(self) -> list[dict[str, Any]]:
        """Returns a description of each fault that is switched on, as the control request GET `faults` shows it."""
        with self._lock:
            return [_described(fault) for fault in self._faults]


def _described(fault: Fault) -> dict[str, Any]:
    return {"effect": repr(fault.effect), "hits": fault.hits} | {name: getattr(fault, name) for name in HOW}


HOW: tuple[str, ...] = ("times", "kind", "operation", "path", "page_over", "account")


def from_control(wanted: dict[str, Any]) -> tuple[Effect, dict[str, Any]]:
    """Reads the JSON of a control request. Returns the effect with the given name and fields, and the arguments `how`
    for `Faults.add`.

    Raises `ValueError` if the name is unknown, and `TypeError` if a field is unknown.
    """
    options = dict(wanted)
    name = options.pop("effect", None)
    if name not in EFFECTS:
        raise ValueError(f"effect: {name!r} is none of {', '.join(sorted(EFFECTS))}")
    how = {key: options.pop(key) for key in HOW if key in options}
    if "asking" in options:
        options["asking"] = frozenset(options["asking"])
    return EFFECTS[name](**options), how
