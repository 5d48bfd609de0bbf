"""The version of this release, which pyproject.toml and the newest heading of CHANGELOG.md repeat."""

VERSION = "0.2.0"
