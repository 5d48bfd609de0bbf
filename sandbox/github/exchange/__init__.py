"""What GraphQL and REST have in common: requests, answers, refusals, pages and cursors, limits, and how long an answer
takes.
"""
