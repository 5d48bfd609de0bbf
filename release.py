"""The version of this release. pyproject.toml and the newest heading of CHANGELOG.md repeat it."""

VERSION = "0.2.0"
