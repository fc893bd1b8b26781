"""Signatures against the vectors that the venues publish; nonces; secrets that stay secret."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import NS_PER_MS
from core.errors import ConfigurationError
from providers.venue.signing import (
    Credentials,
    NonceFormSigner,
    NoncePathSigner,
    Nonces,
    QuerySigner,
    Request,
    Signer,
    challenge_signature,
    nonce_form_signature,
    nonce_path_signature,
    query_signature,
)

SPOT_SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
SPOT_BODY = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
SPOT_SIGNATURE = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
FUTURES_SECRET = "bm90LWEtcmVhbC1zZWNyZXQtZm9yLXRlc3RzLW9ubHk="
FUTURES_QUERY = "symbol=PI_XBTUSD&lastTime=2024-01-01T00%3A00%3A00.000Z"
FUTURES_SIGNATURE = "4t8z7GBnFs1+7zRiF6+j1IWeYQt7FtDKCPbTGQ0XhrNtkwW8ddK0S2AA6PCHwkTi9U+umJvkWNFJYbwufF3Lhg=="
BINANCE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
BINANCE_QUERY = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)
BINANCE_SIGNATURE = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def test_kraken_spots_vector() -> None:
    """Kraken's published order has its published signature, alone and as a whole request."""
    nonce, _, form = SPOT_BODY.partition("&")
    signer = NonceFormSigner(Credentials("key", SPOT_SECRET), Nonces())
    request = Request(path="/0/private/AddOrder", method="POST", body=form)
    signed = signer.sign(request, now_ns=int(nonce.removeprefix("nonce=")) * NS_PER_MS)
    assert signed.body == SPOT_BODY
    assert signed.headers == {"API-Key": "key", "API-Sign": SPOT_SIGNATURE}
    secret = Credentials("key", SPOT_SECRET).decoded_secret()
    assert (
        nonce_form_signature(secret, path="/0/private/AddOrder", nonce="1616492376594", body=SPOT_BODY)
        == SPOT_SIGNATURE
    )


def test_kraken_futures_vector() -> None:
    """The query goes into the signature as it is sent, the path without `/derivatives`."""
    signer = NoncePathSigner(Credentials("key", FUTURES_SECRET), Nonces())
    request = Request(path="/derivatives/api/v3/history", query=FUTURES_QUERY)
    signed = signer.sign(request, now_ns=1_700_000_000_000 * NS_PER_MS)
    assert signed.query == FUTURES_QUERY
    assert signed.headers == {"APIKey": "key", "Nonce": "1700000000000", "Authent": FUTURES_SIGNATURE}
    secret = Credentials("key", FUTURES_SECRET).decoded_secret()
    assert (
        nonce_path_signature(secret, path="/api/v3/history", nonce="1700000000000", parameters=FUTURES_QUERY)
        == FUTURES_SIGNATURE
    )


def test_kraken_futures_challenge_vector() -> None:
    """The answer to a challenge of the private feeds."""
    expected = "yoPoktP6lN4ZIorC+XgxqJjJiFoFlMcUoFSG5ER0uzcpQ2w8uBbuMS/Rp+Y9OyK+YErBrNPkSrAdqAiPXjRu1w=="
    secret = Credentials("key", FUTURES_SECRET).decoded_secret()
    assert challenge_signature(secret, "226aee50-88fc-4618-a42a-34f7709570b2") == expected


def test_binances_vector() -> None:
    """Binance's published order has its published signature, alone and as a whole request."""
    order = BINANCE_QUERY.partition("&recvWindow")[0]
    signer = QuerySigner(Credentials("key", BINANCE_SECRET))
    signed = signer.sign(Request(path="/api/v3/order", query=order), now_ns=1_499_827_319_559 * NS_PER_MS)
    assert signed.query == f"{BINANCE_QUERY}&signature={BINANCE_SIGNATURE}"
    assert signed.headers == {"X-MBX-APIKEY": "key"}
    assert query_signature(BINANCE_SECRET, BINANCE_QUERY) == BINANCE_SIGNATURE


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 10**19)), max_size=60))
def test_a_nonce_is_above_every_one_before_it(calls: list[tuple[str, int]]) -> None:
    """Whatever the clock does, each key's nonces rise; keys do not disturb each other."""
    nonces = Nonces()
    newest: dict[str, int] = {}
    for key, now_ns in calls:
        number = nonces.next(key, now_ns=now_ns)
        assert number > newest.get(key, 0)
        assert number == max(newest.get(key, 0) + 1, now_ns // NS_PER_MS)
        newest[key] = number


def test_nonces_from_many_threads_are_all_different() -> None:
    """Threads that sign at the same instant never share a number."""
    nonces = Nonces()
    given_out: list[list[int]] = [[] for _ in range(4)]

    def draw(into: list[int]) -> None:
        into += [nonces.next("k", now_ns=10**18) for _ in range(2000)]

    threads = [threading.Thread(target=draw, args=(into,)) for into in given_out]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [number for each in given_out for number in each]
    assert len(set(numbers)) == 8000
    assert all(each == sorted(each) for each in given_out)


def _signers() -> list[Signer]:
    return [
        NonceFormSigner(Credentials("PUBLIC", SPOT_SECRET), Nonces()),
        NoncePathSigner(Credentials("PUBLIC", SPOT_SECRET), Nonces()),
        QuerySigner(Credentials("PUBLIC", SPOT_SECRET)),
    ]


@pytest.mark.parametrize("signer", _signers(), ids=lambda signer: type(signer).__name__)
def test_secrets_stay_secret(signer: Signer) -> None:
    """Neither a signer nor a request nor credentials show a key, a secret or a signature."""
    signed = signer.sign(Request(path="/x", query="a=1"), now_ns=10**18)
    shown = repr(signer) + repr(Credentials("PUBLIC", SPOT_SECRET)) + signed.said
    assert "PUBLIC" not in shown + repr(signed)
    assert SPOT_SECRET not in shown + repr(signed) + signed.query + signed.body
    assert parse_qs(signed.query)["a"] == ["1"]


@pytest.mark.parametrize("secret", ["not base64!", "QQQ", "", "abc\ndef", "gar bled", "é"])
def test_bad_secrets_are_the_operators_to_mend(secret: str) -> None:
    """A secret that cannot be one is an error of configuration, which does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        NonceFormSigner(Credentials("key", secret), Nonces())
    assert not secret or secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_every_attempt_is_signed_anew() -> None:
    """The same request signed twice has two nonces."""
    signer = NonceFormSigner(Credentials("key", SPOT_SECRET), Nonces())
    request = Request(path="/0/private/Balance", method="POST")
    assert signer.sign(request, now_ns=5).body != signer.sign(request, now_ns=5).body
