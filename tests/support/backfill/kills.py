"""Kills workers at a chosen request."""

import itertools
import signal
import threading
from collections.abc import Callable

import orjson

from sandbox.github import StandIn
from sandbox.github.exchange.requests import Entry, Request
from sandbox.github.faults import Fault, Touch
from sandbox.processes import Process


def key(entry: Entry) -> bytes:
    return orjson.dumps([entry.operation, entry.path, entry.variables], option=orjson.OPT_SORT_KEYS)


def kill_at(
    github: StandIn,
    worker: Process,
    number: int,
    delay: float = 0,
    when: Callable[[Request], bool] = lambda request: request.operation != "Viewer",
) -> Fault:
    """Kills the worker `delay` seconds after its `number`-th request from now on has arrived. Only requests for which
    `when` is true are counted.
    """
    requests = itertools.count(1)

    def strike(_request: Request) -> None:
        if next(requests) == number:
            threading.Timer(delay, worker.send, [signal.SIGKILL]).start()

    return github.faults.add(Touch(strike), times=None, when=when)
