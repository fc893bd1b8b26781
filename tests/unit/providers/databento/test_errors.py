"""What refusals mean, and what may be a key, a dataset, a gateway."""

from __future__ import annotations

import pytest

from core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    RefusedError,
    ResourceExhaustedError,
    TransientError,
    UsageError,
)
from providers.databento.errors import handshake_error, http_error, record_error
from providers.databento.key import VARIABLE, ApiKey, read_key
from providers.databento.names import check_dataset, parse_gateway


@pytest.mark.parametrize(
    ("status", "case", "error"),
    [
        (400, "", UsageError),
        (401, "auth_authentication_failed", AuthenticationError),
        (402, "", RefusedError),
        (403, "license_not_found_unauthorized", AuthenticationError),
        (404, "", NotFoundError),
        (410, "", NotFoundError),
        (408, "", TransientError),
        (418, "", PermanentError),
        (422, "data_time_range_start_on_or_after_end", UsageError),
        (422, "data_no_data_found_for_request", NotFoundError),
        (429, "", ResourceExhaustedError),
        (500, "", TransientError),
        (504, "", TransientError),
    ],
)
def test_statuses(status: int, case: str, error: type[ConsoleError]) -> None:
    """Each HTTP status has its kind, and the message no control characters."""
    found = http_error("asking", status=status, case=case, message="no\x1b[2J", retry_after="3", now_ns=0)
    assert type(found) is error
    assert "\x1b" not in str(found)
    if isinstance(found, ResourceExhaustedError):
        assert found.retry_after_s == 3.0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Authentication failed.", AuthenticationError),
        ("API key is deactivated", AuthenticationError),
        ("A live data license is required to access GLBX.MDP3.", AuthenticationError),
        ("User has reached their open connection limit", ResourceExhaustedError),
        ("Connection to 127.0.0.1:1 failed: refused", TransientError),
        ("Authentication with 127.0.0.1:1 timed out after 30.0 second(s).", TransientError),
        ("Internal error", TransientError),
        ("Unknown dataset", PermanentError),
    ],
)
def test_handshakes(text: str, error: type[ConsoleError]) -> None:
    """The words of the gateway and of the client are told apart."""
    assert type(handshake_error("live", text)) is error


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AUTH_FAILED", AuthenticationError),
        ("CONNECTION_LIMIT_EXCEEDED", ResourceExhaustedError),
        ("SYMBOL_RESOLUTION_FAILED", NotFoundError),
        ("INVALID_SUBSCRIPTION", UsageError),
        ("INTERNAL_ERROR", TransientError),
        ("SKIPPED_RECORDS_AFTER_SLOW_READING", TransientError),
        ("UNSET", TransientError),
        ("4711", TransientError),
    ],
)
def test_error_records(code: str, error: type[ConsoleError]) -> None:
    """Each code has its kind; one that is not known is tried again."""
    assert type(record_error("live", code=code, text="")) is error


@pytest.mark.parametrize("value", ["", "  ", "\t\n", "YOUR_API_KEY", "db-a b", "db-a|b", "db-ä", "db-a\x07"])
def test_what_is_no_key(value: str) -> None:
    """It is refused before anybody is asked, and not repeated."""
    with pytest.raises(AuthenticationError) as caught:
        read_key({VARIABLE: value})
    assert caught.value.exit_code == 6
    assert not value.strip() or value == "YOUR_API_KEY" or value not in str(caught.value)


def test_a_key_does_not_print_itself() -> None:
    """Neither `str` nor `repr` show it; spaces around it do not count."""
    key = read_key({VARIABLE: " db-secret \n"})
    assert (key, key.value) == (ApiKey("db-secret"), "db-secret")
    assert "secret" not in f"{key} {key!r} {[key]}"


def test_names() -> None:
    """Datasets and gateways are checked before they are used."""
    assert check_dataset("GLBX.MDP3") == "GLBX.MDP3"
    for bad in ("", "glbx.mdp3", "GLBX MDP3", "../ETC", "A" * 16, "GLBX\x1b"):
        with pytest.raises(UsageError):
            check_dataset(bad)
    gateway = parse_gateway("[::1]:13000")
    assert (gateway.host, gateway.port) == ("::1", 13_000)
    for bad in ("", "host", "host:", ":1", "host:0", "host:65536", "ws://host:1", "ho st:1", "host:１"):
        with pytest.raises(ConfigurationError):
            parse_gateway(bad)
