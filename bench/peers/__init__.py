"""Other extractors on the stand-in that this system is measured on: same repository, same run, side by side.

`python -m bench.peers`. Each is installed into a virtual environment of its own, from PyPI, under `.bench/`.
"""
