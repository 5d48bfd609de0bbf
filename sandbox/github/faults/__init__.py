"""Faults of GitHub. A test switches each of them on, for the next requests that match.

    github.faults.add(BadGateway(), times=3, operation="PullRequests", page_over=25)
    github.faults.add(NullNode(number=7), times=None)

Some faults answer a request in place of the stand-in. Others act while fields and nodes are resolved, or change the
finished answer. A changed GraphQL answer is checked against the schema (`conformance.py`). If GitHub could not have
sent the answer, the test fails. docs/faults.md lists what the system does about each fault.

**Add a fault or an oddity.** Write an `Effect` in the module of what it changes: a whole answer (`replies.py`), limits,
pages, nodes, fields, the transfer of an answer (`transport.py`), the rights of accounts (`accounts.py`, `policies.py`),
or anything at random (`chance.py`). The class overrides methods of `Effect`, one for each step of a request at which it
acts (`effect.py`). Add its name below. An oddity of the world itself, such as a deleted author, is not a fault. Write a
method in `world/` for it.
"""

from sandbox.github.faults.accounts import OldNodeIds, Poorer
from sandbox.github.faults.chance import Babble, OddTenth
from sandbox.github.faults.edits import Edited, Touch
from sandbox.github.faults.effect import Effect
from sandbox.github.faults.fields import (
    BrokenField,
    BrokenTimeline,
    GoneCommits,
    Refused,
    refused_commits,
    refused_teams,
)
from sandbox.github.faults.limits import (
    Headers,
    PrimaryLimit,
    SecondaryLimit,
    StaleUsed,
    primary_limit,
    resource_of,
    secondary_limit,
)
from sandbox.github.faults.nodes import NullNode, ResourceLimits
from sandbox.github.faults.pages import Blank, BlankList, CircularLinks, Doubled, EndlessPages, Miscounted
from sandbox.github.faults.policies import Policy
from sandbox.github.faults.registry import Fault, Faults, from_control
from sandbox.github.faults.replies import (
    BadCredentials,
    BadGateway,
    Forbidden,
    GatewayTimeout,
    ProxyPage,
    ServerError,
    SomethingWentWrong,
    bad_credentials,
    gateway_error,
)
from sandbox.github.faults.transport import Hang, Held, Latency, Reset, Truncated

__all__ = [
    "Babble",
    "BadCredentials",
    "BadGateway",
    "Blank",
    "BlankList",
    "BrokenField",
    "BrokenTimeline",
    "CircularLinks",
    "Doubled",
    "Edited",
    "Effect",
    "EndlessPages",
    "Fault",
    "Faults",
    "Forbidden",
    "GatewayTimeout",
    "GoneCommits",
    "Hang",
    "Headers",
    "Held",
    "Latency",
    "Miscounted",
    "NullNode",
    "OddTenth",
    "OldNodeIds",
    "Policy",
    "Poorer",
    "PrimaryLimit",
    "ProxyPage",
    "Refused",
    "Reset",
    "ResourceLimits",
    "SecondaryLimit",
    "ServerError",
    "SomethingWentWrong",
    "StaleUsed",
    "Touch",
    "Truncated",
    "bad_credentials",
    "from_control",
    "gateway_error",
    "primary_limit",
    "refused_commits",
    "refused_teams",
    "resource_of",
    "secondary_limit",
]
