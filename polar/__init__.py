"""Everything that is specific to Polar: signatures, the meaning of its events, and the effect of a purchase."""
