"""Which release this is: pyproject.toml and the newest heading of CHANGELOG.md say the same."""

VERSION = "0.2.0"
