"""Kraken's error texts, and what each makes us do."""

from __future__ import annotations

import pytest

from core.clock import NS_PER_S
from core.errors import ConsoleError, NotFoundError, PermanentError, ResourceExhaustedError, TransientError
from providers.kraken.spot.errors import is_harmless, venue_error

NOW_NS = 1_700_000_000 * NS_PER_S


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Currency pair not supported XBT/USD", NotFoundError),
        ("EQuery:Unknown asset pair", NotFoundError),
        ("Exceeded msg rate", ResourceExhaustedError),
        ("EAPI:Rate limit exceeded", ResourceExhaustedError),
        ("EService:Throttled: 1700000005", ResourceExhaustedError),
        ("EService:Busy", TransientError),
        ("EService:Market in cancel_only mode", TransientError),
        ("EGeneral:Internal error", TransientError),
        ("EGeneral:Invalid arguments:pair", PermanentError),
        ("what nobody has seen yet", PermanentError),
        ("", PermanentError),
    ],
)
def test_each_text_has_its_class(text: str, kind: type[ConsoleError]) -> None:
    """The class says whether to stop, to wait or to try again."""
    assert type(venue_error(text, operation="subscribe", now_ns=NOW_NS)) is kind


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("EService:Throttled:1700000005", 5.0),
        ("EService:Throttled: 1600000000", 1.0),
        ("EService:Throttled:99999999999", 900.0),
        ("EService:Throttled:" + "9" * 5000, 10.0),
        ("EService:Throttled", 10.0),
        ("EService:Throttled:soon", 10.0),
        ("EGeneral:Temporary lockout", 900.0),
        ("EGeneral:Too many requests", 10.0),
    ],
)
def test_how_long_to_wait(text: str, wait_s: float) -> None:
    """Until the second the venue names, never less than one second and never more than a lockout."""
    error = venue_error(text, operation="subscribe", now_ns=NOW_NS)
    assert isinstance(error, ResourceExhaustedError)
    assert error.retry_after_s == wait_s


def test_harmless_texts() -> None:
    """Some refusals only say that things stand as asked."""
    assert is_harmless("Already subscribed")
    assert not is_harmless("Currency pair not supported")
