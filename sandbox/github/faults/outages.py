"""An outage of GitHub, in which nobody gets an answer.

Users report outages of hours, in which an extractor used up twenty attempts within 28 minutes.
"""

from dataclasses import dataclass
from typing import Literal

Way = Literal["502", "refused", "reset", "hangs", "endless"]
"""Every answer is a 502; connections are refused, or accepted and reset; answers do not begin, or do not end."""


@dataclass
class Outage:
    """One outage. `requests` counts the requests that arrived meanwhile. With `refused`, connections are refused, so
    none arrive.
    """

    way: Way
    requests: int = 0
