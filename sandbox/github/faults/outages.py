"""An outage of GitHub, during which nobody gets an answer.

Source: reports.md E (incidents of hours; twenty attempts were used up in 28 minutes).
"""

from dataclasses import dataclass
from typing import Literal

Way = Literal["502", "refused", "reset", "hangs", "endless"]
"""Every answer is a 502; connections are refused, or accepted and reset; answers do not begin, or do not end."""


@dataclass
class Outage:
    """One outage. `requests` counts those that arrived; with `refused` none arrive."""

    way: Way
    requests: int = 0
