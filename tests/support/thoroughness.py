"""How far tests go that could go on for ever: searches by many examples, and worlds as large as real ones.

`make test` runs each once, on worlds that are just large enough. `make test-thorough` runs the same tests with more.
What a longer search finds becomes a test of its own, so that `make test` finds it from then on.
"""

import os

THOROUGH = os.environ.get("THOROUGH", "") not in ("", "0")


def examples(few: int, many: int) -> int:
    """Returns how many random examples a search tries: `few`, or in a thorough run `many`, or as many as `EXAMPLES`
    says.
    """
    return int(os.environ.get("EXAMPLES", many)) if THOROUGH else few
