"""The Instances screen's rows: every table, every size, and what is said of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.health import Rates
from console.tui.instancerows import (
    Place,
    copy_ring,
    filter_rings,
    instance_rows,
    readers_of,
    share_height,
    share_text,
    window_text,
)
from console.tui.services import Service, Services
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, Ring, parse_status
from console.tui.tables import Column, fit_columns, table_row
from console.tui.text import ASCII, UNICODE, Glyphs, row_width
from core.clock import NS_PER_S
from tests.unit.console.tui.test_rows import text_of

NOW_NS = 1_790_000_000 * NS_PER_S
RINGS: list[dict[str, Any]] = [
    {"path": "/shm/a__BTCUSD_KRAKEN", "schema": "trades", "symbol": "BTCUSD", "venue": "KRAKEN", "capacity": 4096,
     "committed": 2048, "public": True, "readers": [{"name": "screen", "pid": 12, "lag": 0, "lapped": 0}]},
    {"path": "/shm/.a__ETHUSD_KRAKEN.mbp-1", "schema": "mbp-1", "symbol": "ETHUSD", "venue": "KRAKEN",
     "capacity": 1000, "committed": 99_000, "public": False,
     "readers": [{"name": "slow", "pid": 77, "lag": 970, "lapped": 12}, {"name": "store", "pid": 5, "lag": 30}]},
    {"path": "/shm/a__ETHUSD_KRAKEN.mbp-10", "schema": "mbp-10", "symbol": "ETHUSD", "venue": "KRAKEN",
     "capacity": 512, "committed": 0, "public": True, "readers": []},
]  # fmt: skip
RAW: dict[str, Any] = {
    "instance_id": "alpha", "state": "running", "rings": RINGS,
    "connections": [
        {"venue": "KRAKEN", "status": "connected", "pid": 4321, "restarts": 2},
        {"venue": "BINANCE", "status": "reconnecting", "reason": "no frame for 10 s"},
    ],
    "latency": {"publish_p50_ns": 200_000, "publish_p99_ns": 2_000_000, "publish_max_ns": 12_000_000, "count": 9},
}  # fmt: skip
STATUS = parse_status(RAW)
SERVICES = Services(
    looked=True,
    found=(
        Service(
            name="alpha", health="alive", pid=4000, started_ns=NOW_NS - 7200 * NS_PER_S, age_s=2.0,
            providers=("kraken",), venues=("KRAKEN",), symbols=("BTCUSD", "ETHUSD"), here=True,
        ),
        Service(name="beta", health="stale", pid=5000, started_ns=NOW_NS, age_s=40.0, complete=False,
                symbols=("XRPUSD",)),
        Service(name="gamma", health="dead", pid=6000, started_ns=NOW_NS, age_s=900.0),
    )
)  # fmt: skip
SLOW = STATUS.rings[1].path


def screen(
    status: EngineStatus | None = STATUS,
    services: Services = SERVICES,
    place: Place | None = None,
    *,
    width: int = 120,
    height: int = 37,
    glyphs: Glyphs = UNICODE,
    **health: Any,
) -> list[str]:
    """The screen as lines of text, checked for its shape."""
    known = Health(**{"reachable": True, **health})
    snapshot = Snapshot(now_ns=NOW_NS, status=status, health=known)
    rows = instance_rows(snapshot, services, place or Place(), width=width, height=height, glyphs=glyphs)
    assert [row_width(row) for row in rows] == [width] * height
    return [text_of(row) for row in rows]


def found(lines: list[str], *parts: str) -> str:
    """The one line that holds all `parts`."""
    (line,) = [line for line in lines if all(part in line for part in parts)]
    return line


def test_engines_have_a_word_for_their_health() -> None:
    """Alive, stale and dead are words beside their signs, the engine of this console is named and marked."""
    lines = screen()
    assert found(lines, "● alive").split()[:6] == ["•alpha", "●", "alive", "2s", "2h", "4000"]
    assert "2: BTCUSD ETHUSD" in found(lines, "● alive")
    assert "1+: XRPUSD" in found(lines, "⚠ stale", "40s")
    assert "none" in found(lines, "⚠ dead", "15m")
    title = found(lines, "─ Engines ─ 3 ─")
    for part in ("1 stale", "1 dead", "• alpha is this console's"):
        assert part in title


def test_an_engine_that_is_not_announced_or_gone_is_said_to_be() -> None:
    """The head of the list says what is the matter with this console's own engine."""
    assert "alpha is this console's, not announced" in screen(services=Services(looked=True))[0]
    assert "not announced" not in screen(services=Services())[0]
    assert "looking for engines" in screen(services=Services())[2]
    assert "alpha: it has gone" in screen(reachable=False, reason="it has gone")[0]
    assert "the registry is damaged" in screen(services=Services(problem="the registry is damaged"))[2]
    assert "this console: connecting" in screen(None, Services(), reachable=False, reason="connecting")[0]


def test_connections_tell_their_process_and_restarts() -> None:
    """A child's pid and restarts are shown; a connection without a child is in the engine; reasons are there."""
    lines = screen(rates={"KRAKEN": 412.0})
    assert found(lines, "pid 4321").split() == ["KRAKEN", "●", "up", "pid", "4321", "2", "412", "0", "0"]
    assert "no frame for 10 s" in found(lines, "BINANCE", "⚠ reconnecting", "in the engine")
    title = found(lines, "─ Connections ─")
    for part in ("1 in processes of their own", "2 restarts", "socket to ring 0.2 ms, 99 % 2.0, worst 12.0"):
        assert part in title


def test_each_of_several_connections_has_a_line() -> None:
    """Below the line of their venue, with what they brought; one that is alone has no second line."""
    legs = [
        {"venue": "KRAKEN 1", "leg": 1, "status": "connected", "brought_first": 1204, "hand_overs": 2},
        {"venue": "KRAKEN 2", "leg": 2, "status": "reconnecting", "missed": 7, "reconnects": 3},
    ]
    raw = {"venue": "KRAKEN", "status": "connected", "reason": "leg 2: reconnecting: cut"}
    lines = screen(parse_status(RAW | {"connections": [raw | {"legs": legs}]}), rates={"KRAKEN 1": 21.0})
    assert "● up" in found(lines, "leg 2: reconnecting: cut")
    assert "first with 1.2k trades, handed over 2x" in found(lines, "  leg 1", "● up", "21")
    assert found(lines, "  leg 2", "missed 7").split()[:5] == ["leg", "2", "⚠", "reconnecting", "−"]
    alone = screen(parse_status(RAW | {"connections": [raw | {"legs": legs[:1]}]}))
    assert not any("leg 1" in line for line in alone)


def test_no_leg_takes_the_place_of_a_venue() -> None:
    """Where not every line has room the venues keep theirs, and the title tells that there are more."""
    venues = [
        {"venue": venue, "legs": [{"venue": f"{venue} {leg}", "leg": leg} for leg in (1, 2)]}
        for venue in ("KRAKEN", "BINANCE")
    ]
    lines = screen(parse_status(RAW | {"connections": venues}), height=22)
    shown = lines[lines.index(found(lines, "─ Connections ─")) + 2 :][:3]
    assert [line.split()[0] for line in shown[:2]] == ["KRAKEN", "BINANCE"]
    assert not any("leg 1" in line for line in lines)
    assert "─ 2 of 6 ─" in found(lines, "─ Connections ─")


def test_rings_tell_how_full_and_how_far_behind() -> None:
    """Rate, count, size, window, worst lag, readers and whether it is public, with the file's name where it fits."""
    lines = screen(ring_rates={STATUS.rings[0].path: 12.0, SLOW: 1500.0}, place=Place(cursor=SLOW))
    first = found(lines, "BTCUSD", "trades", "public")
    assert first.split()[4:8] == ["a__BTCUSD_KRAKEN", "12", "2.0k", "4.1k"]
    assert first.split()[-2:] == ["0%", "1"]
    assert "▸ETHUSD" in found(lines, "private", "1.5k", "97%")
    assert found(lines, "mbp-10", "public").split()[-2:] == ["−", "0"]
    assert "1.5k records/s" in found(lines, "─ Rings ─ 3 ─")


def test_readers_that_lost_records_come_first_and_say_so() -> None:
    """A loss is a word as well as a colour; the readers of the ring under the cursor are marked and next."""
    lines = screen(place=Place(cursor=STATUS.rings[0].path))
    top = next(number for number, line in enumerate(lines) if "─ Readers ─" in line)
    assert "12 records lost by 1 reader" in lines[top]
    assert [line.split()[0] for line in lines[top + 2 : top + 5]] == [
        ".a__ETHUSD_KRAKEN.mbp-1",
        "•a__BTCUSD_KRAKEN",
        ".a__ETHUSD_KRAKEN.mbp-1",
    ]
    assert lines[top + 2].split()[1:] == ["slow", "77", "970", "97%", "12", "lost"]
    rows = instance_rows(
        Snapshot(now_ns=NOW_NS, status=STATUS, health=Health(reachable=True)), SERVICES, Place(),
        width=120, height=37, glyphs=UNICODE,
    )  # fmt: skip
    assert any(("12 lost" in text, style) == (True, "alert") for row in rows for text, style in row)


@pytest.mark.parametrize(
    ("committed", "lag", "text"),
    [(0, 0, "┈┈┈┈"), (500, 0, "░░┈┈"), (500, 1, "░░┈┈"), (500, 130, "█░┈┈"), (9000, 0, "░░░░"), (9000, 750, "███░"),
     (9000, 5000, "████"),
     (250, 900, "█┈┈┈")],
)  # fmt: skip
def test_the_window_shows_unread_read_and_empty(committed: int, lag: int, text: str) -> None:
    """Solid is what the slowest reader has before it, shaded the rest of what is held, dotted what was never used."""
    row = {"path": "x", "capacity": 1000, "committed": committed, "readers": [{"lag": lag}]}
    (ring,) = parse_status({"rings": [row]}).rings
    assert window_text(ring, 4, UNICODE) == text


def test_a_ring_of_no_size_is_drawn_empty() -> None:
    """An engine that does not tell a ring's size does no harm."""
    ring = Ring(path=Path("x"), schema="trades", symbol="A", venue="B")
    assert window_text(ring, 3, ASCII) == "..."
    screen(EngineStatus(rings=(ring,)))


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.001, "<1%"), (0.429, "42%"), (1, "100%"), (1.5, ">100%"), (1e15, ">100%")]
)
def test_shares_are_short(share: float, text: str) -> None:
    """A share of a ring takes five characters at most and is never rounded up."""
    assert share_text(share) == text


def test_the_filter_finds_rings_by_every_word() -> None:
    """Symbol, venue, schema, access and name are looked through; `!` inverts; the heads count what is left."""
    counts = {text: len(filter_rings(STATUS, text)) for text in ("eth", "MBP-1", "private", "!private", "", "a__btc")}
    assert counts == {"eth": 2, "MBP-1": 2, "private": 1, "!private": 2, "": 3, "a__btc": 1}
    lines = screen(place=Place(pattern="btc"))
    assert "1 of 3" in found(lines, "─ Rings ─", "/btc")
    assert "nothing matches the filter" in "".join(screen(place=Place(pattern="nothing")))
    assert filter_rings(None, "") == []


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [1, 20, 60, 80, 100, 120, 160, 300])
@pytest.mark.parametrize("height", [1, 4, 9, 12, 21, 37, 48])
def test_the_screen_keeps_its_shape(width: int, height: int, glyphs: Glyphs) -> None:
    """Whatever the size, there are as many rows and cells as there should be."""
    for status in (STATUS, None):
        lines = screen(status, width=width, height=height, glyphs=glyphs, place=Place(cursor=SLOW))
        if glyphs is ASCII:
            assert all(line.isascii() for line in lines)


@pytest.mark.parametrize(("width", "height"), [(60, 12), (80, 21)])
def test_everything_that_matters_fits_a_small_terminal(width: int, height: int) -> None:
    """On the smallest terminals every table has its head and at least one entry, and losses are still in words."""
    lines = screen(width=width, height=height, place=Place(cursor=SLOW))
    for part in ("─ Engines", "─ Connections", "─ Rings", "─ Readers", "•alpha", "● up", "▸ETHUSD", "12 lost"):
        assert any(part in line for line in lines), part


@given(st.integers(0, 60), *[st.integers(0, 200)] * 4)
def test_the_height_is_divided_without_a_rest(
    height: int, engines: int, connections: int, rings: int, readers: int
) -> None:
    """No table gets less than nothing, and together they get the height when there is any to divide."""
    shares = share_height(height, engines=engines, connections=connections, rings=rings, readers=readers)
    parts = (shares.engines, shares.connections, shares.rings, shares.readers)
    assert min(parts) >= 0
    if height >= 8:
        assert sum(parts) + 4 * (2 if shares.heads else 1) == height


@given(
    st.lists(
        st.fixed_dictionaries(
            {"path": st.text(min_size=1, max_size=20)},
            optional={
                "symbol": st.text(max_size=20), "venue": st.text(max_size=20), "schema": st.text(max_size=9),
                "capacity": st.integers(), "committed": st.integers(), "public": st.booleans() | st.none(),
                "readers": st.lists(st.fixed_dictionaries({}, optional={"name": st.text(), "pid": st.integers(),
                                                               "lag": st.integers(), "lapped": st.integers()})),
            },
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_rings_can_be_drawn(rows: list[dict[str, Any]]) -> None:
    """Whatever an engine says of its rings is drawn in cells of one width, without control characters."""
    status = parse_status({"rings": rows})
    lines = screen(status, width=140)
    assert all(line.isprintable() for line in lines)
    assert len(readers_of(status.rings, None)) == sum(len(ring.readers) for ring in status.rings)


def test_a_ring_is_copied_with_its_path() -> None:
    """Another program gets the path first and then what is in the ring."""
    assert copy_ring(STATUS.rings[0]) == "/shm/a__BTCUSD_KRAKEN\tBTCUSD\tKRAKEN\ttrades\t2048"


def test_columns_give_way_and_grow() -> None:
    """A column that needs a wider screen is left out; the one that grows takes what is left, up to its most."""
    columns = (Column("a", "a", 3), Column("b", "b", 3, least=20), Column("c", "c", 2, grows=True, most=12))
    assert [column.width for column in fit_columns(columns, 12)] == [3, 6]
    assert [column.width for column in fit_columns(columns, 40)] == [3, 3, 12]
    row = table_row(
        columns,
        {"a": ("long text", "text"), "b": ("", "dim"), "c": ("x", "dim")},
        width=20,
        glyphs=ASCII,
        cursor=True,
    )
    assert text_of(row) == " lo~     x          "
    assert {style for _text, style in row} == {"accent+cursor", "text+cursor", "dim+cursor", "+cursor"}


def test_rates_are_taken_over_several_answers() -> None:
    """A counter's growth is over the oldest answer that has it; new ones, falling ones and old clocks are 0."""
    rates: Rates[str] = Rates(3)
    assert rates.add(1 * NS_PER_S, {"a": 100}) == {"a": 0.0}
    assert rates.add(2 * NS_PER_S, {"a": 110, "b": 5}) == {"a": 10.0, "b": 0.0}
    assert rates.add(5 * NS_PER_S, {"a": 180, "b": 2}) == {"a": 20.0, "b": 0.0}
    assert rates.add(6 * NS_PER_S, {"a": 180}) == {"a": 16.0}
    assert rates.add(7 * NS_PER_S, {"a": 180}) == {"a": 14.0}
    assert rates.add(1 * NS_PER_S, {"a": 500}) == {"a": 0.0}
    rates.clear()
    assert rates.add(8 * NS_PER_S, {"a": 1}) == {"a": 0.0}
