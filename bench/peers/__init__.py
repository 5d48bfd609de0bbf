"""Runs other extractors on the stand-in that this system runs on, with the same repository, in the same run.

`python -m bench.peers`. Each extractor is installed from PyPI into a virtual environment of its own, below `.bench/`.
"""
