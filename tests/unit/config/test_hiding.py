"""What of secrets is shown: nothing that helps to use them."""

from __future__ import annotations

import pytest

from config.hiding import holds_secret, server_alone, shown, without_userinfo
from config.operations import HandlerSettings
from config.reading import fields_of
from config.schema import VenueSettings


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://hooks.slack.com/services/T0/B0/secret", "https://hooks.slack.com/***"),
        ("https://api.telegram.org/bot12:secret/send", "https://api.telegram.org/***"),
        ("https://ntfy.sh/secret", "https://ntfy.sh/***"),
        ("https://ntfy.sh?auth=secret", "https://ntfy.sh/***"),
        ("https://ntfy.sh#secret", "https://ntfy.sh/***"),
        ("smtps://me:secret@mail:465", "smtps://mail:465/***"),
        ("https://secret@host", "https://host/***"),
        ("https://host:8080/", "https://host:8080/"),
        ("http://host", "http://host"),
        ("https://me:se/cret@host", "***"),
        ("https://me:se?cret@host/x", "***"),
        ("https://host:secret/", "***"),
        ("secret", "***"),
        ("12:secret", "***"),
        ("ftp://host/secret", "***"),
        ("https:///secret", "***"),
        ("https://host\\secret", "***"),
    ],
)
def test_of_an_address_that_is_a_key_the_server_is_shown(address: str, told: str) -> None:
    """What cannot be taken apart for certain is hidden as a whole."""
    assert server_alone(address) == told
    assert "secret" not in server_alone(address)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("wss://ws.kraken.com/v2", "wss://ws.kraken.com/v2"),
        ("gateway:13000", "gateway:13000"),
        ("wss://me:secret@relay/v2", "wss://***@relay/v2"),
        ("secret@gateway:1", "***@gateway:1"),
        ("WSS://secret@relay", "WSS://***@relay"),
        ("https://relay/x?key=secret", "https://relay/x?***"),
        ("https://me:se/cret@relay", "***"),
        ("https://me@secret@relay", "https://***@relay"),
    ],
)
def test_of_a_venue_the_address_is_shown_and_no_user(address: str, told: str) -> None:
    """Its path says which interface it is, and is none of a secret."""
    assert without_userinfo(address) == told
    assert "secret" not in repr(VenueSettings(stream_url=address))


def test_what_is_a_secret_is_said_by_the_field() -> None:
    """A token is one as a whole; an empty one is none; what is of the wrong kind is hidden too."""
    token, kind = fields_of(HandlerSettings)["token"], fields_of(HandlerSettings)["kind"]
    assert (shown(token, "abc"), shown(token, ""), shown(token, ["abc"]), shown(kind, "abc")) == (
        "***",
        "",
        "***",
        "abc",
    )
    assert (holds_secret(token, "abc"), holds_secret(token, ""), holds_secret(kind, "abc")) == (True, False, False)
