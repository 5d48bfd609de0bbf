"""The code that knows Polar: its API, its signatures, the meaning of its events, and the effects of a purchase."""
