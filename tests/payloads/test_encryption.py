"""Payloads are encrypted and decrypted; what cannot be is an error that names the key's id and never the key."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

import temporal
from errors import BadInput
from payloads.encryption import KEY_ID, PayloadEncryption
from settings import CodecServer, Payloads, load

KEYS = {name: os.urandom(32) for name in ("old", "new")}
TEXT = {name: base64.b64encode(key).decode() for name, key in KEYS.items()}
OLD = PayloadEncryption({"old": KEYS["old"]}, "old")
ROTATED = PayloadEncryption({"new": KEYS["new"], "old": KEYS["old"]}, "new")
REPOSITORY = Payload(metadata={"encoding": b"json/plain"}, data=b'"acme/rocket"')


@given(
    st.lists(
        st.builds(
            Payload,
            metadata=st.dictionaries(st.text(max_size=20), st.binary(max_size=50), max_size=3),
            data=st.binary(max_size=2_000),
        )
    )
)
async def test_every_payload_comes_back_as_it_was(payloads: list[Payload]) -> None:
    encrypted = await ROTATED.encode(payloads)
    assert await ROTATED.decode(encrypted) == payloads
    for each in encrypted:
        assert (each.metadata["encoding"], each.metadata[KEY_ID]) == (b"binary/encrypted", b"new")


async def test_nothing_of_a_payload_is_shown_and_no_two_are_alike() -> None:
    [first, second] = await OLD.encode([REPOSITORY, REPOSITORY])
    assert first.data != second.data
    for each in (first, second):
        assert b"rocket" not in each.SerializeToString()
        assert b"json/plain" not in each.SerializeToString()


async def test_what_is_encrypted_already_is_not_encrypted_again() -> None:
    once = await OLD.encode([REPOSITORY])
    assert await ROTATED.encode(once) == once


async def test_a_rotated_key_still_decrypts() -> None:
    assert await ROTATED.decode(await OLD.encode([REPOSITORY])) == [REPOSITORY]


async def test_what_was_stored_in_plain_is_read_beside_what_is_encrypted() -> None:
    [encrypted] = await OLD.encode([REPOSITORY])
    assert await ROTATED.decode([REPOSITORY, encrypted, REPOSITORY]) == [REPOSITORY] * 3


async def test_without_a_key_to_encrypt_with_payloads_stay_plain_and_encrypted_ones_are_read() -> None:
    codec = PayloadEncryption({"old": KEYS["old"]}, None)
    assert await codec.encode([REPOSITORY]) == [REPOSITORY]
    assert await codec.decode(await OLD.encode([REPOSITORY])) == [REPOSITORY]


@pytest.mark.parametrize("keys", [{}, {"new": KEYS["new"]}], ids=["no key", "another"])
async def test_a_key_that_is_missing_is_named(keys: dict[str, bytes]) -> None:
    with pytest.raises(BadInput, match=r"^bad_input: TEMPORAL_PAYLOAD_KEYS: lacks key 'old', which a payload is"):
        await PayloadEncryption(keys, None).decode(await OLD.encode([REPOSITORY]))


@given(st.data())
async def test_a_payload_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    [encrypted] = await ROTATED.encode([REPOSITORY])
    damaged = bytearray(encrypted.data)
    if data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    tampered = Payload(metadata=encrypted.metadata, data=bytes(damaged))
    with pytest.raises(BadInput) as refused:
        await ROTATED.decode([tampered])
    assert "does not decrypt a payload of key 'new'" in str(refused.value)
    assert TEXT["new"] not in str(refused.value)


async def test_a_payload_under_another_keys_id_is_refused() -> None:
    [encrypted] = await OLD.encode([REPOSITORY])
    encrypted.metadata[KEY_ID] = b"new"
    with pytest.raises(BadInput, match="does not decrypt a payload of key 'new': it is damaged, or was encrypted with"):
        await ROTATED.decode([encrypted])
    same_key = PayloadEncryption({"old": KEYS["old"], "new": KEYS["old"]}, None)
    with pytest.raises(BadInput):
        await same_key.decode([encrypted])


# --- Settings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """In a directory without a `.env`; set what the test is about."""
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.parametrize(
    ("value", "keys", "encrypts_with"),
    [
        ("", {}, None),
        (f"old:{TEXT['old']}", {"old": KEYS["old"]}, "old"),
        (f"new:{TEXT['new']}, old:{TEXT['old']}", {"new": KEYS["new"], "old": KEYS["old"]}, "new"),
        (f"plain,old:{TEXT['old']}", {"old": KEYS["old"]}, None),
    ],
    ids=["none", "one", "two", "plain"],
)
def test_the_first_key_encrypts_and_all_decrypt(
    environment_of: pytest.MonkeyPatch, value: str, keys: dict[str, bytes], encrypts_with: str | None
) -> None:
    environment_of.setenv("TEMPORAL_PAYLOAD_KEYS", value)
    found = load(Payloads)
    assert (found.keys, found.encrypts_with) == (keys, encrypts_with)
    assert not any(text in repr(found) for text in TEXT.values())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (TEXT["old"], "must be id:key"),
        (f"{TEXT['old']}:old", "must be id:key"),
        ("old:" + TEXT["old"][:-8] + "====", "the key of id old must be 32 bytes in base64"),
        ("old:" + base64.b64encode(b"x" * 16).decode(), "the key of id old must be 32 bytes"),
        (f"old:{TEXT['old']},", "must be id:key"),
        (f"old:{TEXT['old']},old:{TEXT['new']}", "has two keys of id old"),
        (f"old:{TEXT['old']},plain", "must be id:key"),
        ("plain", "has no key"),
    ],
    ids=["no id", "turned round", "no base64", "too short", "comma", "twice", "plain last", "plain alone"],
)
def test_a_wrong_key_is_named_and_not_repeated(environment_of: pytest.MonkeyPatch, value: str, says: str) -> None:
    environment_of.setenv("TEMPORAL_PAYLOAD_KEYS", value)
    with pytest.raises(BadInput) as refused:
        load(Payloads)
    assert refused.value.name == "TEMPORAL_PAYLOAD_KEYS"
    assert says in refused.value.message
    assert not any(text[:20] in refused.value.message for text in TEXT.values())


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"CODEC_SERVER_TOKEN": "long enough to be one"}, "TEMPORAL_PAYLOAD_KEYS"),
        ({"CODEC_SERVER_TOKEN": "short", "TEMPORAL_PAYLOAD_KEYS": f"old:{TEXT['old']}"}, "CODEC_SERVER_TOKEN"),
        ({"CODEC_JWKS_URL": "https://idp/keys", "TEMPORAL_PAYLOAD_KEYS": f"old:{TEXT['old']}"}, "CODEC_JWT_AUDIENCE"),
        ({"CODEC_ALLOWED_ORIGINS": "temporal.example.com"}, "CODEC_ALLOWED_ORIGINS"),
    ],
    ids=["no keys", "short token", "no readers", "no origin"],
)
def test_half_a_codec_server_is_refused(environment_of: pytest.MonkeyPatch, values: dict[str, str], name: str) -> None:
    for each, value in values.items():
        environment_of.setenv(each, value)
    with pytest.raises(BadInput, match=name):
        load(CodecServer)


# --- Temporal's converter ---------------------------------------------------------------------------------------------


async def encoded(error: BaseException) -> bytes:
    failure = Failure()
    await temporal.data_converter().encode_failure(error, failure)
    return failure.SerializeToString()


async def test_errors_are_encrypted_with_the_payloads_and_not_before(environment_of: pytest.MonkeyPatch) -> None:
    try:
        raise ApplicationError("acme/rocket is gone", "rocket", type="gone")
    except ApplicationError as raised:
        error = raised
    plain = await encoded(error)
    environment_of.setenv("TEMPORAL_PAYLOAD_KEYS", f"old:{TEXT['old']}")
    encrypted = await encoded(error)
    assert b"rocket is gone" in plain
    assert b"test_encryption" in plain, "its stack trace"
    assert b"rocket" not in encrypted
    assert b"test_encryption" not in encrypted
