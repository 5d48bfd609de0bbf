"""What GraphQL and REST have in common: requests, answers, refusals, pages, cursors, limits, and the time that an
answer takes.
"""
