"""A stand-in for GitHub: GraphQL on its real schema, the REST routes that the product uses, its limits and its faults.

It serves `make demo`, tests and benchmarks; nothing in production imports it.
"""

from sandbox.github.exchange.limits import Limits
from sandbox.github.exchange.pace import Pace
from sandbox.github.server.server import StandIn
from sandbox.github.world.clock import Clock
from sandbox.github.world.world import World

__all__ = ["Clock", "Limits", "Pace", "StandIn", "World"]
