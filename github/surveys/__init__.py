"""Reading many repositories in one request: what GitHub counts of their lists, and the small ones whole."""
