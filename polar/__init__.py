"""All that knows Polar: who may speak for it, what its events say, and what a purchase means."""
