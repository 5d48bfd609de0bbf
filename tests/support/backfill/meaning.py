"""Checks embeddings by ten questions, worded otherwise than the threads that they are about: the search has to find
these threads.

`test_exports.py` calls it for the repositories that it has stored, so that they are stored and embedded once.
"""

import json

import pytest

from cli import program
from tests.support.backfill.whole import Backfill

HPKE, MLS, TLS = "cfrg/draft-irtf-cfrg-hpke", "mlswg/mls-protocol", "tlswg/draft-ietf-tls-esni"
QUESTIONS = {
    "How are private keys of a KEM turned into bytes, when only public keys have a serialization?": (HPKE, 153),
    "Which Apple platforms implement HPKE in their SDK?": (HPKE, 254),
    "length of the AEAD's tag for a Java implementation": (HPKE, 238),
    "A client is no longer in sync with its group. How can its state be initialized again?": (MLS, 93),
    "How often should a client rotate its init keys, and what about a key of last resort?": (MLS, 97),
    "The list of members is not known to a client that wants to join": (MLS, 779),
    "signatures that a participant can plausibly deny having made": (MLS, 610),
    "a DNS resource record type of its own rather than TXT records": (TLS, 40),
    "What should happen if the server cannot decrypt what the browser encrypted: ignore it or send an alert?": (
        TLS,
        290,
    ),
    "command line tools like curl, or people behind censorship, want to send another name in the clear": (TLS, 396),
}
"""Asked of all three repositories at once, some 1,800 threads."""


async def check_meaning(
    backfill: Backfill, workspace_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asks each question, as an operator does. Fails unless every question finds its thread, and all but one of them as
    the first.
    """
    for name, value in backfill.environment.items():
        monkeypatch.setenv(name, value)
    places = {}
    for question, meant in QUESTIONS.items():
        capsys.readouterr()
        assert await program.run(["search", question, "--workspace", workspace_id, "--json"]) == 0
        hits = [(hit["repository"], hit["number"]) for hit in json.loads(capsys.readouterr().out)]
        assert len(hits) == 10
        places[question] = hits.index(meant) + 1 if meant in hits else None
    assert set(places.values()) <= {1, 2, 3}, places
    assert list(places.values()).count(1) >= 9, places
