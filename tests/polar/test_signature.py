"""Signatures made by the Standard Webhooks package are accepted; whatever differs in one thing is not."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import BadInput
from polar.signature import Signatures
from tests.support import shop

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BODY = b'{"type": "subscription.active", "name": "\xc3\xa9"}'
RAW = "polar_whs_an older secret, used as it is"
NO_MATCH = "no signature matches: 1 tried with the secret"


@pytest.mark.parametrize(
    ("setting", "signing"),
    [
        (shop.SECRET, shop.SECRET),
        (shop.SECRET.rstrip("="), shop.SECRET),
        (shop.SECRET, shop.SECRET.encode()),
        (RAW, RAW.encode()),
        (RAW, "whsec_" + base64.b64encode(RAW.encode()).decode()),
        ("polar_whs_dGhlIHNlY3JldA==", b"the secret"),
        ("polar_whs_dGhlIHNlY3JldA==", b"polar_whs_dGhlIHNlY3JldA=="),
        ("dGhlIHNlY3JldA==", b"dGhlIHNlY3JldA=="),
        ("whsec_not base64!", b"whsec_not base64!"),
        ("whsec_a", b"whsec_a"),
        ("whsec_", b"whsec_"),
        ("g\u00e9heim", "g\u00e9heim".encode()),
        (" in spaces ", b"in spaces"),
        (" in spaces ", b" in spaces "),
    ],
    ids=[
        "generated since 2026-09-08",
        "without padding",
        "generated before",
        "own text",
        "own text, signed as Polar's SDK does",
        "polar_whs decoded",
        "polar_whs as it stands",
        "own text that is base64",
        "whsec that is no base64",
        "whsec that is too short for base64",
        "whsec with nothing behind it",
        "own text beyond ASCII",
        "spaces around it",
        "spaces of its own",
    ],
)
def test_both_ways_in_which_polar_signs_are_accepted(setting: str, signing: str | bytes) -> None:
    body, headers = shop.signed(BODY, secret=signing, at=NOW)
    assert Signatures(setting).refusal(headers, body, NOW) is None


@given(st.text(alphabet=st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_is_a_secret_as_it_stands(secret: str) -> None:
    body, headers = shop.signed(BODY, secret=secret.encode(), at=NOW)
    assert Signatures(secret).refusal(headers, body, NOW) is None


@given(st.binary(min_size=1), st.sampled_from(["whsec_", "polar_whs_"]))
def test_any_key_is_accepted_in_base64_behind_a_prefix(key: bytes, prefix: str) -> None:
    body, headers = shop.signed(BODY, secret=key, at=NOW)
    assert Signatures(prefix + base64.b64encode(key).decode()).refusal(headers, body, NOW) is None


@pytest.mark.parametrize("signing", [b"first", shop.SECRET, shop.SECRET.encode(), b"the third"])
def test_each_of_several_secrets_is_accepted(signing: str | bytes) -> None:
    body, headers = shop.signed(BODY, secret=signing, at=NOW)
    signatures = Signatures(f"first,{shop.SECRET}, the third,,first")
    assert signatures.secrets == ("first", shop.SECRET, "the third")
    assert signatures.refusal(headers, body, NOW) is None


@pytest.mark.parametrize("setting", ["", " ", ",", " , ,"])
def test_a_setting_without_a_secret_is_named(setting: str) -> None:
    with pytest.raises(BadInput, match=r"^bad_input: POLAR_WEBHOOK_SECRET: holds no secret$"):
        Signatures(setting)


@pytest.mark.parametrize("setting", ["whsec_", "whsec_====", "polar_whs_", "whsec_,", "a,whsec_"])
def test_no_secret_makes_a_key_of_nothing(setting: str) -> None:
    """With an empty key anybody could sign."""
    _, headers = shop.signed(BODY, at=NOW)
    digest = hmac.digest(b"", f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + BODY, "sha256")
    headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    assert "no signature matches" in (Signatures(setting).refusal(headers, BODY, NOW) or "")


def test_the_example_of_the_specification_is_accepted() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    signatures = Signatures("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signatures.refusal(headers, b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)) is None


@pytest.mark.parametrize(
    "before", ["v1,bm90IHRoZSByaWdodCBvbmU=", "v1a,whatever", "no comma", "v1,!!!", "v1,\u00e9", ","]
)
@pytest.mark.parametrize("last", [True, False])
def test_one_good_signature_among_others_is_enough(before: str, last: bool) -> None:
    body, headers = shop.signed(BODY, at=NOW)
    good = headers["webhook-signature"]
    headers["webhook-signature"] = f"{before} {good}" if last else f"{good} {before}"
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) is None


@pytest.mark.parametrize("offset", [timedelta(minutes=-4, seconds=-59), timedelta(minutes=4, seconds=59)])
def test_a_clock_may_be_almost_five_minutes_off(offset: timedelta) -> None:
    body, headers = shop.signed(BODY, at=NOW + offset)
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) is None


@pytest.mark.parametrize(
    ("offset", "off"),
    [
        (timedelta(minutes=-5, seconds=-2), "302 s behind"),
        (timedelta(minutes=5, seconds=2), "302 s ahead of"),
        (timedelta(days=9), "777600 s ahead of"),
    ],
)
def test_a_timestamp_outside_five_minutes_is_refused_and_its_direction_said(offset: timedelta, off: str) -> None:
    body, headers = shop.signed(BODY, at=NOW + offset)
    said = f"webhook-timestamp is {off} this server's clock; 300 s are tolerated"
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == said


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_another"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-signature": "v1,bm90IHRoZSByaWdodCBvbmU="},
        {"webhook-signature": "v1"},
        {"webhook-signature": "\udcff"},
        {"webhook-signature": " "},
        {"webhook-id": ""},
        {"webhook-id": "msg with spaces"},
        {"webhook-id": "m" * 256},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": f"{int(NOW.timestamp())}.5"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "١٢٣"},
    ],
    ids=str,
)
def test_a_changed_header_is_refused(change: dict[str, str]) -> None:
    body, headers = shop.signed(BODY, at=NOW)
    assert Signatures(shop.SECRET).refusal(headers | change, body, NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused_and_named(missing: str) -> None:
    body, headers = shop.signed(BODY, at=NOW)
    del headers[missing]
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == f"missing: {missing}"


def test_a_signature_without_its_padding_is_accepted() -> None:
    body, headers = shop.signed(BODY, at=NOW)
    headers["webhook-signature"] = headers["webhook-signature"].rstrip("=")
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) is None


def test_a_header_with_asymmetric_signatures_alone_is_refused_as_that() -> None:
    body, headers = shop.signed(BODY, at=NOW)
    headers["webhook-signature"] = "v1a,AAAA v1a,BBBB"
    said = "webhook-signature has no v1 signature among its 2"
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == said


@pytest.mark.parametrize(("setting", "secrets"), [("one", "the secret"), ("one,two,one,three", "any of 3 secrets")])
def test_a_signature_that_does_not_match_says_how_many_were_tried(setting: str, secrets: str) -> None:
    body, headers = shop.signed(BODY, at=NOW)
    headers["webhook-signature"] += f" v1a,AAAA {headers['webhook-signature']}"
    assert Signatures(setting).refusal(headers, body, NOW) == f"no signature matches: 2 tried with {secrets}"


def test_a_signature_of_another_version_is_refused_though_it_matches() -> None:
    body, headers = shop.signed(BODY, at=NOW)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    assert "no v1 signature" in (Signatures(shop.SECRET).refusal(headers, body, NOW) or "")


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b"active", b"paused"), b"", b"\xff\xfe"])
def test_a_tampered_body_is_refused(body: bytes) -> None:
    _, headers = shop.signed(BODY, at=NOW)
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == NO_MATCH


def test_another_secret_is_refused() -> None:
    body, headers = shop.signed(BODY, at=NOW, secret=b"another secret")
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == NO_MATCH
