"""What GraphQL and REST have in common: requests and answers, refusals, pages and cursors, limits, and durations."""
