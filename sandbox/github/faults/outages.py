"""An outage of GitHub, during which no request succeeds.

Users report outages that lasted hours. One extractor had used up its twenty attempts after 28 minutes.
"""

from dataclasses import dataclass
from typing import Literal

Way = Literal["502", "refused", "reset", "hangs", "endless"]
"""What each request gets: a 502, a refused or a reset connection, an answer that never begins or never ends."""


@dataclass
class Outage:
    """One outage. `requests` counts the requests that arrived during the outage. It stays 0 if `way` is `refused`,
    because then no connection is accepted.
    """

    way: Way
    requests: int = 0
