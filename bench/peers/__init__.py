"""Runs other extractors on the same stand-in as this system: same repository, same run, side by side.

`python -m bench.peers`. Each is installed from PyPI into its own virtual environment, under `.bench/`.
"""
