"""Signatures made by the Standard Webhooks package are accepted; whatever differs in one thing is not."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from errors import BadInput
from polar.signature import Signatures
from tests import shop

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BODY = b'{"type": "subscription.active", "name": "\xc3\xa9"}'
RAW = "polar_whs_an older secret, used as it is"


@pytest.mark.parametrize(
    ("secret", "signing"),
    [
        (shop.SECRET, shop.SECRET),
        (shop.SECRET.rstrip("="), shop.SECRET),
        (RAW, RAW.encode()),
        (RAW, "whsec_" + base64.b64encode(RAW.encode()).decode()),
    ],
    ids=["whsec", "without padding", "raw", "raw, signed as Polar's SDK does"],
)
def test_a_signature_made_by_the_package_is_accepted(secret: str, signing: str | bytes) -> None:
    body, headers = shop.signed(BODY, secret=signing, at=NOW)
    assert Signatures(secret).refusal(headers, body, NOW) is None


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
    "offset", [timedelta(minutes=-5, seconds=-2), timedelta(minutes=5, seconds=2), timedelta(days=9)]
)
def test_a_timestamp_outside_five_minutes_is_refused(offset: timedelta) -> None:
    body, headers = shop.signed(BODY, at=NOW + offset)
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == "webhook-timestamp is more than five minutes from now"


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
def test_a_missing_header_is_refused(missing: str) -> None:
    body, headers = shop.signed(BODY, at=NOW)
    del headers[missing]
    assert "missing" in (Signatures(shop.SECRET).refusal(headers, body, NOW) or "")


def test_a_signature_of_another_version_is_refused_though_it_matches() -> None:
    body, headers = shop.signed(BODY, at=NOW)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == "no signature matches"


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b"active", b"paused"), b"", b"\xff\xfe"])
def test_a_tampered_body_is_refused(body: bytes) -> None:
    _, headers = shop.signed(BODY, at=NOW)
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == "no signature matches"


def test_another_secret_is_refused() -> None:
    body, headers = shop.signed(BODY, at=NOW, secret=b"another secret")
    assert Signatures(shop.SECRET).refusal(headers, body, NOW) == "no signature matches"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_a"])
def test_a_secret_that_is_none_is_named_without_its_value(secret: str) -> None:
    with pytest.raises(BadInput, match=r"^bad_input: POLAR_WEBHOOK_SECRET: what follows whsec_ must be base64$"):
        Signatures(secret)
