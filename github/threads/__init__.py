"""Reads pull requests, issues and discussions: listings, pages of whole threads, and the parts that did not fit into a
page.
"""
