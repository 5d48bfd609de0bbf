"""Who we can be towards GitHub."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Credential:
    """A token, and the account that it belongs to, once GitHub was asked."""

    label: str
    token: str = field(repr=False)
    account: str | None = None

    async def secret(self) -> str:
        return self.token


class Credentials:
    """Those of `GITHUB_TOKENS`."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = [Credential(f"token {index + 1} of {len(tokens)}", token) for index, token in enumerate(tokens)]

    async def of(self, owner: str | None) -> Sequence[Credential]:  # noqa: ARG002
        return self._tokens

    async def refused(self, credential: Credential) -> None:
        """A 401 was heard."""
