"""The common part of GraphQL and REST: requests, answers, refusals, pages and cursors, limits, and how long an answer
takes.
"""
