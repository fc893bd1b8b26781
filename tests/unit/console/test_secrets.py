"""Secrets never get through, neither into the log nor into a bundle, whatever stands round them; plain words stay."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.hiding import HIDDEN
from config.operations import AlertingSettings, HandlerSettings
from config.schema import DatabaseSettings, Settings, VenueSettings, VenuesSettings
from console.incident.redaction import Redaction
from console.logbook.entry import entry_of, json_line
from console.secrets import Redactor, secrets_in_address, secrets_of_environment, secrets_of_settings

WORDS = st.text(st.sampled_from("abcxyzABCXYZ0123456789"), min_size=12, max_size=24)
AROUND = st.text(st.sampled_from("lorem ipsum,;()[]\n\t\x1b…"), max_size=30)
SECRET: Final = "p@ss/w:ord%1"

FORMS: Final = (
    "postgresql://user:{}@host:5432/name", "postgresql://u:a/b@{}@host/db", "redis://:{}@127.0.0.1:6379/0",
    "https://u:{}@h/p?q=1", "https://{}@host", "wss://{}@stream.example/ws", "smtps://me:{}@localhost:465",
    "https://x.example/?access_key={}&y=1", "?a=1&token={}&b=2", "https://hooks.slack.com/services/T0/B0/{}",
    "https://discord.com/api/webhooks/1/{}", "https://api.telegram.org/bot{}/sendMessage", "webhook={}",
    "token={}", '{{"token": "{}"}}', '{{\\"token\\": \\"{}\\"}}', "{{'password': '{}'}}", "password={} host=x",
    "password='two {} words'", "sslpassword = '{}'", "pwd={}", "passphrase: {}", "credential: {}", "api_key: {}",
    "API-KEY: {}", "x-api-key: {}", "API-Sign={}", "API-Sign: {}", "client_secret={}", "client_key={}",
    "signature={}", "private_key_id={}", "Authorization: Bearer {}", "Authorization: Basic {}", "authorization: {}",
    "Authorization: Digest {}", "{{'Authorization': 'Bearer {}'}}", "Bearer {}", "run --token {}", "--pwd {}",
    "run --bot-token={}", "--password 'two {}'", "bot123456789:{}", "/bot123456789:{}/sendMessage", "bot123:{}",
    "db-{}0123456789abcdef",
)  # fmt: skip
"""How a secret may stand in a text that nobody has to know beforehand."""

PLAIN: Final = (
    "wss://stream.binance.com:9443/ws/btcusdt@trade", "wss://stream.binance.com:9443/ws", "BTCUSD@KRAKEN subscribed",
    "at http://h:80 in 3 s", "SIM.KRAKEN: 12 symbols subscribed", "lag 0.2 s, 3 tokens left", "1 key",
    "postgresql://me@host/name", "BTCUSD KRAKEN 42150.2", "2026-11-23T05:05:17Z info engine: running",
)  # fmt: skip


def logged(text: str, known: tuple[str, ...] = ()) -> str:
    """`text` as a line of the log has it: as its text, as an argument and as a field."""
    record = logging.LogRecord("ringside.test", 40, "", 0, "%s", (text,), None)
    record.place = text
    return json_line(entry_of(record, Redactor(known)))


def bundled(text: str, known: tuple[str, ...] = ()) -> str:
    """`text` as a bundle has it: in a text, and in a list under a name."""
    redaction = Redaction.of(known)
    return redaction.text(text) + json.dumps(redaction.value({"place": [text]}))


WAYS: Final = pytest.mark.parametrize("way", [logged, bundled])
Way = Callable[..., str]


@WAYS
@pytest.mark.parametrize("form", FORMS)
@given(secret=WORDS, before=AROUND, after=AROUND)
def test_what_looks_like_a_secret_is_hidden(form: str, way: Way, secret: str, before: str, after: str) -> None:
    """By what stands before it alone, in the log and in a bundle: nobody needs to know the value."""
    told = way(f"{before} {form.format(secret)} {after}")
    assert secret not in told
    assert HIDDEN in told


@WAYS
@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str, way: Way) -> None:
    """Addresses with ports, symbols at venues, users of databases and plain words are told as they are."""
    assert way(text, ("hunter2-hunter2", "a", "")).count(text) == 2


@WAYS
@pytest.mark.parametrize(
    "form",
    [
        SECRET, quote(SECRET, safe=""), quote(SECRET), json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)  # fmt: skip
def test_a_known_secret_is_hidden_in_every_form(form: str, way: Way) -> None:
    """As it is, quoted for a URL, escaped for JSON and by Python, in base 64; in bytes that are no text, too."""
    assert form not in way(f"before {form} after", (SECRET,))
    assert form not in way(f"before {form} after", (quote(SECRET, safe=""),))
    assert form.encode() not in Redaction.of([SECRET]).data(f"before {form} after".encode())


@given(
    secret=st.text(st.characters(exclude_characters="* ", exclude_categories=("C", "Z")), min_size=8),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
)
def test_a_known_secret_is_hidden_wherever_it_stands(secret: str, before: str, after: str) -> None:
    """Whatever letters it has and whatever stands beside it; a number is one from eight digits on."""
    assume(secret not in before + after)
    assert secret not in Redactor([secret]).redact(before + secret + after)


def test_a_short_known_secret_is_hidden_as_a_word() -> None:
    """A password of four letters is hidden where it stands alone, and not inside other words."""
    assert Redactor(["rust"]).redact("rust trusty 'rust' \\nrust") == "*** trusty '***' \\n***"


def test_what_is_too_short_to_be_one_stays() -> None:
    """A word of three letters and a number of seven digits are found everywhere."""
    assert Redactor(["abc", "1234567"]).redact("abc 1234567") == "abc 1234567"
    assert Redactor(["12345678"]).redact("at 12345678") == "at ***"


@pytest.mark.parametrize(
    "piece",
    [
        "://a:", "postgres://", "postgres://a", "a.", "a.b-", "token", "token=", "token='", 'token="', "-", "--token",
        "a://", "https://x?token=", "bearer ", "password=", "password = '", "authorization: ", "db-a", '"', "\\", "'",
        "bot1234", "/api/webhooks/", "--token ", '--token "', " ", "token\\\\",
    ],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    """What a venue may send, repeated without end, is searched in time that grows with its length alone."""
    text = piece * (256 * 1024 // len(piece))
    redactor = Redactor([SECRET, "rust"])
    began_s = time.process_time()
    redactor.redact(text[: 20 * 1024])
    assert time.process_time() - began_s < 1
    redactor.redact(text)
    assert time.process_time() - began_s < 5


def test_secrets_of_an_environment() -> None:
    """Variables by their names, hooks from their path on, addresses by what stands in them; no directory, no switch
    and no name of a user."""
    found = set(
        secrets_of_environment(
            {
                "DATABENTO_API_KEY": "db-abcdefgh", "HOME": "/root", "X_URL": "redis://:word@h", "PGPASSWORD": "pass",
                "REDIS_URL": "redis://:redispass1@h/0", "PWD": "/work", "OLDPWD": "/before",
                "MY_PASSPHRASE": "phrase",
                "TOKENIZERS_PARALLELISM": "false", "SLACK_HOOK": "https://hooks.example/T0/verysecret",
                "DATABASE_URL": "postgresql://desk:p%40ssw0rd-1@h/n?sslmode=require&sslpassword=other1",
                "FEED": "https://letmein@host/x",
            }
        )
    )  # fmt: skip
    assert found >= {"db-abcdefgh", "word", "pass", "redispass1", "phrase", "T0/verysecret"}
    assert found >= {"p%40ssw0rd-1", "other1", "letmein"}
    assert not found & {"/root", "/work", "/before", "false", "require", "desk", "hooks.example"}
    for text in ("is p@ssw0rd-1 it", "is p%40ssw0rd-1 it"):
        assert Redactor(found).redact(text) == "is *** it"


def test_secrets_of_settings() -> None:
    """Fields that are marked, addresses of venues, and what follows an option of a program."""
    handlers = {
        "phone": HandlerSettings(kind="ntfy", url="https://ntfy.sh/quiet-topic", token="tk_hidden1"),
        "program": HandlerSettings(kind="exec", command=("/bin/true", "--token", "exec4", "key", "api_key=exec5")),
    }
    settings = Settings(
        venues=VenuesSettings(kraken=VenueSettings(stream_url="wss://me:hidden@host/ws?auth=letin")),
        alerting=AlertingSettings(handlers=handlers),
        database=DatabaseSettings(url="postgresql://desk:pw/with@slash@host/ticks"),
    )
    found = set(secrets_of_settings(settings))
    assert found >= {"hidden", "letin", "quiet-topic", "tk_hidden1", "exec4", "exec5", "pw/with@slash"}
    assert not found & {"desk", "/bin/true", "key", "host"}


def test_secrets_of_a_file_that_cannot_be_used() -> None:
    """By the names that stand there, and in lines of what is no TOML by their shape."""
    tree = {"alerting": {"handlers": {"x": {"url": "https://ntfy.sh/topic", "tokens": 3, "token": "word"}}}}
    assert set(secrets_of_settings(tree)) >= {"ntfy.sh/topic", "word"}
    assert "broken18" in set(secrets_of_settings(['token = "broken18"', "[alerting"]))


def test_secrets_in_an_address() -> None:
    """A connection string has its password; what follows a port is none, and plain text has nothing."""
    assert set(secrets_in_address("host=x password='a b'")) == {"a b"}
    assert list(secrets_in_address("plain text")) == []
    assert list(secrets_in_address("wss://h:9443/ws/btcusdt@trade")) == []
    assert list(secrets_in_address("https://[::1")) == []


def test_the_words_of_an_address_are_words() -> None:
    """A hook at `/ringside` hides its address, and not the name of the program wherever it stands."""
    hook = HandlerSettings(kind="webhook", url="https://pager.example.org/ringside/connection?team=x9Kq72Lm")
    redactor = Redactor(secrets_of_settings(hook))
    assert redactor.redact("ringside: connection lost") == "ringside: connection lost"
    for address in ("https://pager.example.org/ringside/connection?team=x9Kq72Lm", "ringside/connection?team=1"):
        shown = redactor.redact(f"posting to {address}")
        assert "x9Kq72Lm" not in shown
        assert "pager.example.org/ringside/connection" not in shown
