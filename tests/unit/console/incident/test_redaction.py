"""Secrets are found in every form in which they may be written down, and ordinary words stay."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest

from config.schema import Settings, VenueSettings, VenuesSettings
from console.incident.redaction import HIDDEN, Redaction, secrets_in_url, secrets_of, secrets_of_settings

SECRET = "p@ss/w:ord%1"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_a_known_secret_is_hidden_in_every_form(form: str) -> None:
    """As it is, quoted for a URL, escaped for JSON, in base 64."""
    assert form not in Redaction.of([SECRET]).text(f"before {form} after")
    assert form.encode() not in Redaction.of([SECRET]).data(f"before {form} after".encode())


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:MARK@host/db",
        "wss://MARK@stream.example/ws",
        "redis://:MARK@host",
        "postgresql://u:a/b@MARK@host/db",
        "password=MARK host=x",
        "sslpassword = 'MARK'",
        "Authorization: Bearer MARKMARKMARK",
        '{"token": "MARK"}',
        "api_key=MARK",
        "API-KEY: MARK",
        "run --token MARK",
        "run --bot-token=MARK",
        "https://hooks.slack.com/services/T0/B0/MARK",
        "https://api.telegram.org/botMARK/sendMessage",
        "https://x.example/?access_key=MARK&y=1",
        "db-MARKMARKMARKMARKMARK",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    """Nobody has to know it beforehand."""
    assert "MARK" not in Redaction().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "BTCUSD KRAKEN 42150.2",
        "2026-11-23T05:05:17Z info engine: running",
        "wss://stream.binance.com:9443/ws",
        "1 key",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    """What is no secret is of use."""
    assert Redaction.of(["a", ""]).text(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "postgres://",
        "a.",
        "token",
        "-",
        "--token",
        "token='",
        "a://",
        "https://x?token=",
        "bearer ",
        "password=",
        "db-a",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    """What a venue may send, repeated without end, is searched in time that grows with its length alone."""
    text = piece * (256 * 1024 // len(piece))
    began_ns = time.process_time_ns()
    Redaction.of([SECRET]).text(text)
    assert time.process_time_ns() - began_ns < 5_000_000_000


def test_lists_and_names_of_documents() -> None:
    """What follows an option that is called like a secret goes, what stands under such a name too, the rest stays."""
    hidden = Redaction().value(
        {"command": ["curl", "--token", "MARK", "-v"], "token": "MARK", "rows": 3, "key": None}
    )
    assert hidden == {"command": ["curl", "--token", HIDDEN, "-v"], "token": HIDDEN, "rows": 3, "key": None}


def test_secrets_of_an_environment_and_of_settings() -> None:
    """Variables by their names, URLs by what stands in them, venues' addresses too."""
    found = set(
        secrets_of({"DATABENTO_API_KEY": "db-1", "HOME": "/root", "X_URL": "redis://:word@h", "PGPASSWORD": "x"})
    )
    assert {"db-1", "word", "x"} <= found
    assert "/root" not in found
    venues = VenuesSettings(kraken=VenueSettings(stream_url="wss://me:hidden@host/ws?auth=letin"))
    assert {"hidden", "letin"} <= set(secrets_of_settings(Settings(venues=venues)))
    assert set(secrets_in_url("host=x password='a b'")) == {"a b"}
    assert list(secrets_in_url("plain text")) == []
