"""Binance's refusals as errors of our own."""

from __future__ import annotations

import pytest

from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from providers.binance.errors import read_refusal


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1121, NotFoundError),
        (-1003, ResourceExhaustedError),
        (-1001, TransientError),
        (-1100, PermanentError),
        (-1021, PermanentError),
        (-1022, AuthenticationError),
        (-2014, AuthenticationError),
        (-2015, AuthenticationError),
    ],
)
def test_each_code_has_its_consequence(code: int, kind: type[ConsoleError]) -> None:
    """A code decides whether we stop, wait or try again, and is shown with the venue's words."""
    error = read_refusal("GET /x", b'{"code":%d,"msg":"no \\u001b[2J"}' % code)
    assert type(error) is kind
    assert f"[{code}]" in str(error)
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"code":"x"}', b"\xff", b'{"code":' + b"[" * 100_000])
def test_a_body_that_is_not_binances_says_nothing(body: bytes) -> None:
    """Anything else is left to the general rule."""
    assert read_refusal("GET /x", body) is None
