"""The version of this release. pyproject.toml and the newest heading of CHANGELOG.md hold the same version."""

VERSION = "0.2.0"
