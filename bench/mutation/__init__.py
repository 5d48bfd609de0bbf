"""Mutation tests. `make mutate` changes one place of the product at a time, and runs the tests that should
then fail.
"""
