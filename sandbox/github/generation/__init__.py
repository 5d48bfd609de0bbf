"""Fills a world: with repositories made by a plan, always the same for the same plan, or with exports of real ones."""
