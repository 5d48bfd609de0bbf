"""A stand-in for GitHub: its GraphQL on its real schema, the REST routes that are used, its limits and its faults.

For `make demo`, tests and benchmarks; nothing in production imports it.
"""

from sandbox.github.clock import Clock
from sandbox.github.limits import Limits
from sandbox.github.pace import Pace
from sandbox.github.server import StandIn
from sandbox.github.world import World

__all__ = ["Clock", "Limits", "Pace", "StandIn", "World"]
