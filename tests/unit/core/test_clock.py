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
     "2023-07-30T15:29:58.1234567890Z", "2023-07-30T15:29:58.١Z", "2023-07-30T15:29+01Z", "20230730T152958,123Z",
     "2023-W30-1T15:29:58Z", "2023-07-30T15:29:58.123456", "2023-07-30T15:29:58.123 56Z",
     "2023-07-30T15:29:58.+12345Z", "2023-07-30T15:29:58.12345٦Z", "2023-07-30T15:29:58.123456ZZ",
     "٢٠٢٣-07-30T15:29:58Z", "2023-07-30T15:29:60Z"],
)  # fmt: skip
def test_other_text_is_refused(text: str) -> None:
    """What is no UTC instant raises ValueError and nothing else, though its second be known already."""
    assert parse_rfc3339_ns("2023-07-30T15:29:58.123456Z") == 1_690_730_998_123_456_000
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339_ns(text)
