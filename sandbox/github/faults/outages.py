"""An outage of GitHub, in which nobody gets an answer.

Users report outages of hours, in which an extractor used up twenty attempts within 28 minutes.
"""

from dataclasses import dataclass
from typing import Literal

Way = Literal["502", "refused", "reset", "hangs", "endless"]
"""What each request gets: a 502, a refused or a reset connection, an answer that never begins or never ends."""


@dataclass
class Outage:
    """One outage. `requests` counts the requests that arrived during the outage. If `way` is `refused`, none can
    arrive.
    """

    way: Way
    requests: int = 0
