"""The trading calendars, against what is known of some days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.clock import DAY_NS, NS_PER_S
from core.model.sessions import Calendar, calendar_of
from core.model.spans import clip, total_ns

HOUR_NS = 3600 * NS_PER_S


def at_ns(text: str) -> int:
    """The instant of an ISO text in UTC."""
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * NS_PER_S


def hours(venue: str, start: str, end: str) -> list[tuple[str, str]]:
    """When a venue is open, as texts to the minute."""
    spans = calendar_of(venue).open_spans(at_ns(start), at_ns(end))
    return [(text(first), text(last)) for first, last in spans.tolist()]


def text(instant_ns: int) -> str:
    """An instant to the minute."""
    return str(datetime.fromtimestamp(instant_ns // NS_PER_S, UTC))[5:16]


@pytest.mark.parametrize("venue", ["KRAKEN", "BINANCE", "KRAKEN_FUTURES", "KRAKEN_FUTURES_DEMO", "SIM.BINANCE"])
def test_crypto_never_closes(venue: str) -> None:
    """All of any time is open, for ever, also where it is simulated."""
    calendar = calendar_of(venue)
    assert calendar.name == "24/7"
    assert calendar.expires_ns is None
    assert calendar.open_spans(5, 10**18).tolist() == [[5, 10**18]]
    assert calendar.open_spans(10, 5).tolist() == []


def test_of_what_is_not_known_it_says_so() -> None:
    """An unknown dataset counts as open, and is not told like one that never closes."""
    calendar = calendar_of("OCEA.MEMOIR")
    assert calendar.name == "unknown"
    assert "not known" in calendar.title
    assert calendar.open_spans(0, DAY_NS).tolist() == [[0, DAY_NS]]


def test_globex_breaks_for_an_hour_and_over_the_weekend() -> None:
    """From 17:00 to 16:00 Chicago; on the half days around Thanksgiving it stops early and begins at 17:00 again."""
    assert hours("GLBX.MDP3", "2024-11-27", "2024-12-03") == [
        ("11-27 00:00", "11-27 22:00"),
        ("11-27 23:00", "11-28 19:45"),
        ("11-28 23:00", "11-29 19:45"),
        ("12-01 23:00", "12-02 22:00"),
        ("12-02 23:00", "12-03 00:00"),
    ]


def test_globex_follows_the_clocks_of_chicago() -> None:
    """In summer it begins an hour earlier in UTC."""
    assert hours("GLBX.MDP3", "2024-07-01", "2024-07-02") == [
        ("07-01 00:00", "07-01 21:00"),
        ("07-01 22:00", "07-02 00:00"),
    ]


@pytest.mark.parametrize("venue", ["XNAS.ITCH", "XNYS.PILLAR", "ARCX.PILLAR", "EQUS.MINI", "SIM.XNAS.ITCH"])
def test_us_equities_have_extended_hours(venue: str) -> None:
    """From 04:00 to 20:00 New York, after a half day to 17:00, and not at all on Thanksgiving."""
    assert hours(venue, "2024-11-27T06:00", "2024-12-02T06:00") == [
        ("11-27 09:00", "11-28 01:00"),
        ("11-29 09:00", "11-29 22:00"),
    ]


def test_eurex_keeps_easter() -> None:
    """Closed from Good Friday to Easter Monday; the clocks changed in between."""
    assert hours("XEUR.EOBI", "2024-03-28", "2024-04-02T22:00") == [
        ("03-28 00:10", "03-28 21:00"),
        ("04-01 23:10", "04-02 20:00"),
    ]


@pytest.mark.parametrize("venue", ["IFEU.IMPACT", "IFUS.IMPACT"])
def test_ice_begins_earlier_on_sundays(venue: str) -> None:
    """At 18:00 New York, else at 20:00; it stops early on Thanksgiving."""
    assert hours(venue, "2024-11-28T12:00", "2024-12-03") == [
        ("11-28 12:00", "11-28 19:00"),
        ("11-29 01:00", "11-29 23:00"),
        ("12-01 23:00", "12-02 23:00"),
    ]


@pytest.mark.parametrize("venue", ["GLBX.MDP3", "XNAS.ITCH", "XEUR.EOBI", "IFEU.IMPACT"])
def test_beyond_what_it_knows_everything_is_open(venue: str) -> None:
    """Before its first session and after its end, which it tells, no time is called closed."""
    calendar = calendar_of(venue)
    assert calendar.expires_ns is not None
    year_ns = 366 * DAY_NS
    late = (calendar.expires_ns, calendar.expires_ns + year_ns)
    early = (calendar.begins_ns - year_ns, calendar.begins_ns)
    assert calendar.open_spans(*late).tolist() == [list(late)]
    assert calendar.open_spans(*early).tolist() == [list(early)]
    whole = calendar.open_spans(early[0], late[1])
    assert clip(whole, *early).tolist() == [list(early)]
    assert clip(whole, *late).tolist() == [list(late)]
    assert (
        0.3
        < total_ns(clip(whole, calendar.begins_ns, calendar.expires_ns)) / (calendar.expires_ns - calendar.begins_ns)
        < 0.8
    )
    assert at_ns("2010-01-03T00:00") < calendar.begins_ns < at_ns("2010-01-05T00:00")


def test_a_calendar_cannot_be_changed_through_what_it_says() -> None:
    """Whoever writes into what it returned changes nothing of the calendar."""
    start_ns, end_ns = at_ns("2024-07-01T00:00"), at_ns("2024-07-02T00:00")
    calendar: Calendar = calendar_of("GLBX.MDP3")
    told = calendar.open_spans(start_ns, end_ns)
    told[:] = 0
    assert calendar.open_spans(start_ns, end_ns)[0, 1] == at_ns("2024-07-01T21:00")
