"""Embedded servers for the demo, the tests and the benchmarks. The product does not import this package."""
