"""The packages of the product."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


PACKAGES = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "sandbox", "bench"})
