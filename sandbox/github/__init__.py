"""The stand-in for GitHub. It has GraphQL on GitHub's real schema, the REST routes that the product uses, GitHub's
limits and GitHub's faults.

The demo, the tests and the benchmarks use it; the product does not import it.
"""

from sandbox.github.exchange.limits import Limits
from sandbox.github.exchange.pace import Pace
from sandbox.github.server.server import StandIn
from sandbox.github.world.clock import Clock
from sandbox.github.world.world import World

__all__ = ["Clock", "Limits", "Pace", "StandIn", "World"]
