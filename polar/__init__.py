"""Everything that is specific to Polar: its signatures, what its events mean, and what a purchase changes."""
