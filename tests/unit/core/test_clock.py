"""Instants as text."""

from __future__ import annotations

import pytest

from core.clock import iso_ns, parse_rfc3339_ns, utc_day


def test_instants_round_trip_to_the_nanosecond() -> None:
    """Nine decimals survive, fewer are padded, none is fine."""
    assert iso_ns(parse_rfc3339_ns("2023-07-30T15:29:58.343415123Z")) == "2023-07-30T15:29:58.343415123Z"
    assert parse_rfc3339_ns("2023-07-30T15:29:58.3Z") == parse_rfc3339_ns("2023-07-30T15:29:58Z") + 300_000_000
    assert utc_day(parse_rfc3339_ns("2024-08-08T23:59:59.999999Z")) == "2024-08-08"


@pytest.mark.parametrize(
    "text",
    ["", "Z", "2023-07-30 15:29:58Z", "2023-07-30T15:29:58", "2023-13-30T15:29:58Z", "2023-07-30T15:29:58.Z1Z",
     "2023-07-30T15:29:58.1234567890Z", "2023-07-30T15:29:58.١Z"],
)  # fmt: skip
def test_other_text_is_refused(text: str) -> None:
    """What is no UTC instant raises ValueError and nothing else."""
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339_ns(text)
