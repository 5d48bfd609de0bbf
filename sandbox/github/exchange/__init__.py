"""A request and its answer, whatever is asked: refusals, pages and cursors, limits, and how long GitHub takes."""
