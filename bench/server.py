"""What the benchmarks of `webhook.py` have in common: a real server with real Postgres and Temporal, and
percentiles.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

from sandbox.demo import OURS
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Process, Processes, answers_http
from sandbox.purchase import PRODUCT

ROOT = Path(__file__).parent.parent
SECRET = "whsec_dGhlIGJlbmNoJ3Mgb3duIHNlY3JldC4uLg=="
API_TOKEN = "the bench's own service token"
DAYS = 365


def start(processes: Processes, dsn: str, temporal_address: str, host: str = LOOPBACK) -> tuple[Process, str]:
    """Starts a `webhook.py` that listens at `host`; returns it, once it is healthy, with its loopback address. Raises
    `Unreachable` with its log.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment = inherited | {
        "DATABASE_URL": dsn,
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TEMPORAL_TASK_QUEUE": f"bench-{port}",
        "POLAR_WEBHOOK_SECRET": SECRET,
        "POLAR_RETENTION_PRODUCTS": f'{{"{PRODUCT}": {DAYS}}}',
        "BACKFILL_API_TOKEN": API_TOKEN,
        "HOST": host,
        "PORT": str(port),
    }
    url = f"http://{LOOPBACK}:{port}"
    server = processes.start(f"bench-webhook-{port}", [sys.executable, ROOT / "webhook.py"], env=environment)
    server.wait_ready(answers_http(f"{url}/healthz"), within=60)
    return server, url


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the smallest of the values that at least `percent` percent of the values do not exceed; infinite if
    there are none.
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else float("inf")


def load() -> Mapping[str, float]:
    """Returns the load averages of the machine, by minutes."""
    return dict(zip(("1", "5", "15"), os.getloadavg(), strict=True))
