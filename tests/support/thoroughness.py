"""How far tests go that could go on for ever: searches of many examples, and worlds as large as real ones.

`make test` says everything once, on worlds that are just large enough; `make test-thorough` goes further with the same
tests. What a longer search finds becomes a test of its own, so that `make test` finds it from then on.
"""

import os

THOROUGH = os.environ.get("THOROUGH", "") not in ("", "0")


def examples(few: int, many: int) -> int:
    """How many random examples a search tries; `EXAMPLES` is how many it tries in a thorough run."""
    return int(os.environ.get("EXAMPLES", many)) if THOROUGH else few
