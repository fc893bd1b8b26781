"""The Data screen's rows: every part, every size, and what is said of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.datadetail import growth_rows, spark_text
from console.tui.datahead import data_title
from console.tui.datarows import Place, copy_series, data_rows, filter_series, share_height
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, parse_status
from console.tui.stored import Key, StoreAnswer, parse_store
from console.tui.storewatch import StoreReport, StoreView, StoreWatch
from console.tui.text import ASCII, UNICODE, Glyphs, row_width, short_bytes
from core.clock import NS_PER_S
from tests.unit.console.tui.test_rows import text_of

NOW_NS = 1_790_000_000 * NS_PER_S
TRADES: Key = ("KRAKEN", "BTCUSD", "trades")
QUOTES: Key = ("KRAKEN", "BTCUSD", "mbp-1")
ETHER: Key = ("BINANCE", "ETHUSD", "trades")
SERIES: list[dict[str, Any]] = [
    {"venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades", "rows": 12_345_678, "days": 2, "bytes": 592_592_544,
     "first_ns": NOW_NS - 86_400 * NS_PER_S, "last_ns": NOW_NS - 3 * NS_PER_S + 123_456_789, "duplicates": 7,
     "out_of_order": 5, "rejected": 1, "newest_id": 98_765_432},
    {"venue": "KRAKEN", "symbol": "BTCUSD", "schema": "mbp-1", "rows": 900, "days": 1, "bytes": 72_000,
     "first_ns": NOW_NS - 9 * NS_PER_S, "last_ns": NOW_NS},
    {"venue": "BINANCE", "symbol": "ETHUSD", "schema": "trades"},
]  # fmt: skip
GAP: dict[str, Any] = {
    "venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades", "start_ns": NOW_NS - 60 * NS_PER_S,
    "end_ns": NOW_NS - 58 * NS_PER_S, "rows": 1234, "cause": "not stored",
}  # fmt: skip
CACHE: dict[str, Any] = {
    "pushes": 12_345, "hits_memory": 90, "hits_redis": 9, "misses": 1, "failures": 0, "series": 3, "redis": "up",
    "problem": "",
}  # fmt: skip
SPILL: dict[str, Any] = {
    "mode": "spilling", "queued_rows": 345, "spilled_rows": 12_000, "spilled_bytes": 576_000, "replayed_rows": 0,
    "since_ns": NOW_NS - 60 * NS_PER_S, "problem": "cannot connect to postgresql://db/ticks", "next_try_s": 3.2,
}  # fmt: skip
JOB: dict[str, Any] = {
    "name": "verify", "state": "running", "done": 3, "total": 10, "unit": "days", "message": "BTCUSD trades",
    "since_ns": NOW_NS, "results": [],
}  # fmt: skip
FINDINGS: list[dict[str, Any]] = [
    {"severity": "info", "venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades", "day": "2026-09-20",
     "code": "leftover", "message": "an unfinished file", "count": 1},
    {"severity": "error", "venue": "KRAKEN", "symbol": "BTCUSD", "schema": "mbp-1", "day": "2026-09-20",
     "code": "checksum", "message": "the file was changed", "count": 2},
]  # fmt: skip
RAW: dict[str, Any] = {
    "enabled": True, "kind": "embedded", "place": "/home/x/ticks", "lag_s": 0.02, "problem": "", "lost": 0,
    "sync_age_s": 0.4, "series": SERIES, "gaps": [GAP], "quarantined": 0, "spill": None, "cache": CACHE, "job": None,
}  # fmt: skip


def view(**fields: Any) -> StoreView:
    """What is known after one answer with some `fields` of its own."""
    return StoreView(answer=parse_store({**RAW, **fields}))


def screen(
    known: StoreView,
    place: Place | None = None,
    *,
    width: int = 120,
    height: int = 37,
    glyphs: Glyphs = UNICODE,
    status: EngineStatus | None = None,
    **health: Any,
) -> list[str]:
    """The screen as lines of text, checked for its shape."""
    snapshot = Snapshot(now_ns=NOW_NS, status=status, health=Health(**{"reachable": True, **health}))
    rows = data_rows(snapshot, known, place or Place(cursor=TRADES), width=width, height=height, glyphs=glyphs)
    assert [row_width(row) for row in rows] == [width] * height
    return [text_of(row) for row in rows]


def found(lines: list[str], *parts: str) -> str:
    """The one line that holds all `parts`."""
    (line,) = [line for line in lines if all(part in line for part in parts)]
    return line


def test_the_head_says_where_and_how() -> None:
    """Kind, place, lag, sync, losses and the cache's hits stand at the top."""
    lines = screen(view())
    assert lines[0].startswith("─ Data ─ embedded store ─ /home/x/ticks ─")
    assert lines[1].startswith(" store    ● stored to 0.02 s ago   ")
    for part in ("synced 0.40 s ago", "lost 0", "quarantined 0"):
        assert part in lines[1]
    told = {name: value for name, value in RAW.items() if name != "sync_age_s"}
    assert "synced" not in screen(StoreView(answer=parse_store(told)))[1]
    for part in ("● memory and Redis", "hits 99.0 %", "memory 90", "redis 9", "missed 1", "pushed 12.3k", "series 3"):
        assert part in lines[2]


def test_the_figures_of_a_database_stand_still() -> None:
    """While all goes well records in memory change nothing, and no figure moves another, at 80 cells as well."""
    places = set()
    for queued, lag_s, sync_age_s in ((0, 0.02, 0.4), (345, 0.31, 9.99), (0, 0.02, 12.0), (20_000, 1.5, 10.2)):
        spill = {
            **SPILL,
            "mode": "direct",
            "queued_rows": queued,
            "spilled_rows": 0,
            "spilled_bytes": 0,
            "problem": "",
        }
        line = screen(view(kind="postgres", lag_s=lag_s, sync_age_s=sync_age_s, spill=spill), width=80, height=21)[1]
        assert "since" not in line
        assert "in memory" not in line
        places.add(tuple(line.index(word) for word in ("stored to", "synced", "lost", "quarantined")))
    assert len(places) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lag_s": 12.3}, "⚠ behind: stored to 12 s ago"),
        ({"problem": "no space left"}, "⚠ FAILING: what comes in is not stored"),
        ({"spill": SPILL}, "⚠ DATABASE DOWN: spilling, 12 345 rows wait, next try in 3 s"),
        ({"spill": {**SPILL, "next_try_s": 0}}, "12 345 rows wait, trying now"),
        (
            {"spill": {**SPILL, "mode": "catching up", "replayed_rows": 12_345}},
            "⟳ catching up 50 %, 12 345 rows wait",
        ),
        ({"spill": {"mode": "direct"}}, "● stored to 0.02 s ago"),
        ({"cache": {**CACHE, "redis": "down", "problem": "timed out"}}, "⚠ timed out"),
        ({"cache": {**CACHE, "redis": "off"}}, "● memory   hits"),
        ({"cache": {**CACHE, "failures": 4}}, "failures 4"),
        ({"cache": None}, "cache    none"),
        ({"lost": 17}, "lost 17"),
    ],
)
def test_every_state_has_a_sign_and_words(fields: dict[str, Any], said: str) -> None:
    """Whatever is the matter is said in words behind a sign, at 80 cells as well."""
    for width in (80, 120):
        found(screen(view(**fields), width=width, height=21), said)


def test_problems_are_quoted() -> None:
    """Why the store fails stands in a line of its own; while it spills, why the database cannot be reached."""
    assert "⚠ no space left" in screen(view(problem="no space left"))[2]
    assert "⚠ cannot connect to postgresql://db/ticks" in screen(view(spill=SPILL, problem="other"))[2]
    long = "connecting to PostgreSQL: " + "x" * 40 + ": connection refused"
    lines = screen(view(spill={**SPILL, "problem": long}), width=80, height=21)
    assert lines[2].rstrip().endswith("PostgreSQL:")
    assert lines[3].rstrip().endswith("x: connection refused")
    spilling = screen(view(spill=SPILL))[1]
    assert "on disk 576.0 kB" in spilling.replace("576 kB", "576.0 kB")
    assert "in memory 345 rows" in spilling


def test_catching_up_and_jobs_have_bars() -> None:
    """A bar shows the share of the spill that was replayed, and that of the job that is done."""
    spill = {**SPILL, "mode": "catching up", "replayed_rows": 12_345}
    assert "█" * 12 + "░" * 12 in screen(view(spill=spill))[1]
    line = found(screen(view(job=JOB)), "verify", "⟳")
    for part in ("███████▏", " 30 %", "3 of 10 days", "BTCUSD trades"):
        assert part in line
    assert "⟳ running" in found(screen(view(job={**JOB, "total": 0})), "verify")


def test_a_job_that_ended_shows_its_results() -> None:
    """The worst result comes first, with its place; how many there are and how they are put away is said."""
    lines = screen(view(job={**JOB, "state": "done", "done": 10, "results": FINDINGS}))
    assert "⚠ done: 10 of 10 days, 1 error, BTCUSD trades" in found(lines, "verify   ")
    at = next(
        number
        for number, line in enumerate(lines)
        if "─ Results of verify ─ 1 error ─ 2 findings ─ esc hides" in line
    )
    assert lines[at + 1].strip() == (
        "⚠ error    BTCUSD mbp-1 KRAKEN 2026-09-20  checksum: the file was changed  count 2"
    )
    assert (
        lines[at + 2].strip().startswith("● info     BTCUSD trades KRAKEN 2026-09-20  leftover: an unfinished file")
    )
    assert any(
        "─ 1 error ─ 900 findings ─" in line and "─ 898 more ─" in line
        for line in screen(view(job={**JOB, "results": FINDINGS, "result_rows": 900}))
    )
    hidden = Place(cursor=TRADES, results=False)
    assert not any("Results" in line for line in screen(view(job={**JOB, "results": FINDINGS}), hidden))
    assert "● done: 10 of 10 days" in "\n".join(screen(view(job={**JOB, "state": "done", "done": 10})))
    assert "⚠ failed: 3 of 10 days, the disk is full" in "\n".join(
        screen(view(job={**JOB, "state": "failed", "message": "the disk is full"}))
    )


def test_results_of_another_shape_are_shown_as_they_come() -> None:
    """Plain sentences, rows of other fields and things of no use at all become lines."""
    results = ["all well", {"series": "BTCUSD trades on KRAKEN", "plain_bytes": 5904, "ok": True}, 7, None]
    lines = screen(view(job={**JOB, "name": "compress", "state": "done", "results": results}))
    found(lines, "● info     all well")
    found(lines, "● info     BTCUSD trades on KRAKEN  plain bytes 5 904")
    assert sum(line.strip() == "● info     ?" for line in lines) == 2


def test_series_are_a_table() -> None:
    """Every figure of a series stands in its column; at 160 cells also its first and last instants."""
    line = found(screen(view()), "▸BTCUSD")
    assert line.split() == [
        "▸BTCUSD", "KRAKEN", "trades", "12.3M", "0", "2", "593", "MB", "2026-09-21", "14:13:17", "2s", "7", "5", "1",
    ]  # fmt: skip
    wide = found(screen(view(), width=160), "▸BTCUSD")
    assert "2026-09-20 14:13:20 2026-09-21 14:13:17" in wide
    assert found(screen(view()), "ETHUSD").split()[3:] == ["0", "0", "0", "0", "B", "-", "−", "0", "0", "0"]
    narrow = screen(view(), width=80, height=21)
    assert narrow[4].split() == [
        "symbol", "venue", "schema", "rows", "row/s", "days", "size", "age", "dup", "late", "rej",
    ]  # fmt: skip


def test_the_chosen_series_is_shown_in_full() -> None:
    """No figure is shortened in the detail: rows, bytes, ids, instants to the nanosecond, gaps with cause."""
    lines = screen(view())
    at = next(number for number, line in enumerate(lines) if "─ BTCUSD trades on KRAKEN ─ 1 gap recorded" in line)
    assert lines[at + 1].strip() == ("rows 12 345 678  days 2  bytes 592 592 544  48.0 a row  newest id 98 765 432")
    assert lines[at + 2].strip() == ("first 2026-09-20 14:13:20.000000000  last 2026-09-21 14:13:17.123456789")
    assert lines[at + 3].strip() == "duplicates 7  late 5  rejected 1  rows/s 0"
    assert lines[at + 4].strip() == (
        "⚠ 2026-09-21 14:12:20.000 to 2026-09-21 14:12:22.000  2.00 s  1 234 rows  not stored"
    )
    two = screen(view(gaps=[GAP, {**GAP, "end_ns": NOW_NS, "cause": "newer"}]))
    at = next(number for number, line in enumerate(two) if "─ 2 gaps recorded" in line)
    assert "newer" in two[at + 4]
    found(screen(view(), Place(cursor=QUOTES)), "no gap is recorded")
    found(screen(view(gaps=[{**GAP, "start_ns": 0}])), "⚠ the beginning to 2026-09-21 14:12:22.000  1 234 rows")


def test_gaps_say_what_became_of_them() -> None:
    """Of each gap it is told how many records were recovered, how many are missing, the cause and the reason; what is
    missing comes first, and what was recovered in full is no warning."""
    whole = {**GAP, "end_ns": NOW_NS, "rows": 0, "recovered": 40, "cause": "disconnect"}
    partly = {**GAP, "rows": 3, "recovered": 1234, "cause": "disconnect", "reason": "the venue refused"}
    lines = screen(view(gaps=[whole, partly]))
    at = next(number for number, line in enumerate(lines) if "─ 1 gap recorded ─ 1 recovered ─" in line)
    assert lines[at + 4].strip().startswith("⚠ ")
    assert lines[at + 4].strip().endswith("3 missing, 1 234 recovered  disconnect  the venue refused")
    assert lines[at + 5].strip() == (
        "● 2026-09-21 14:12:20.000 to 2026-09-21 14:13:20.000  60 s  40 recovered  disconnect"
    )
    narrow = found(screen(view(gaps=[partly]), width=80, height=21), "⚠ 2026")
    assert narrow.strip() == "⚠ 2026-09-21 14:12:20.000  2.00 s  3 missing, 1 234 recovered  disconnect  the…"
    found(screen(view(gaps=[whole])), "─ BTCUSD trades on KRAKEN ─ 1 recovered ─")
    assert "0 gaps ─" in screen(view(gaps=[whole]))[-1]
    totals = {"incomplete": 1234, "recovered": 56_789, "missing": 7}
    assert "─ 1 234 gaps ─ 7 missing ─ 56.8k recovered ─" in screen(view(gap_totals=totals), width=160)[-1]
    assert "─ 1 gap ─ 1 rejected" in screen(view(gap_totals={"incomplete": 1}), width=160)[-1]


def test_totals_are_at_the_bottom() -> None:
    """The last line sums all series, and leaves out whole figures where it is narrow."""
    last = screen(view())[-1]
    for part in (
        "─ Total ─ 3 series ─ 12 346 578 rows ─ 593 MB ─",
        "7 duplicates",
        "5 late",
        "1 rejected",
        "1 gap ─",
    ):
        assert part in last
    assert screen(view(), width=50, height=12)[-1].startswith("─ Total ─ 3 series ─ 12 346 578 rows ─ 593 MB ──")
    assert "20+ gaps" in screen(view(gaps=[GAP] * 20))[-1]


def test_what_there_is_instead_of_a_store_is_said() -> None:
    """Nothing stored, no answer yet, no engine, and one that cannot tell: each in its own words."""
    assert any("--persist" in line for line in screen(StoreView(answer=StoreAnswer())))
    assert any("Asking the engine." in line for line in screen(StoreView()))
    assert any("it has gone" in line for line in screen(StoreView(), reachable=False, reason="it has gone"))
    lines = screen(StoreView(reason="no such operation"))
    assert any("does not say what it stores" in line for line in lines)
    assert any("no such operation" in line for line in lines)
    kept = attrs.evolve(view(), reason="no answer in time")
    assert "⚠ as last heard: no answer in time" in screen(kept)[0]


def test_the_status_is_fresher_than_the_answer() -> None:
    """While the engine waits for a database to list the series, the head says what the status tells; what the status
    does not tell is kept."""
    status = parse_status({
        "store": {"enabled": True, "kind": "postgres", "place": "postgresql://db/ticks", "lag_s": 0.5, "lost": 4,
                  "spill": SPILL},
    })  # fmt: skip
    lines = screen(view(), status=status)
    assert "⚠ DATABASE DOWN: spilling, 12 345 rows wait" in lines[1]
    assert "lost 4" in lines[1]
    found(lines, "● memory and Redis")
    first = screen(StoreView(), status=status)
    assert first[0].startswith("─ Data ─ PostgreSQL ─ postgresql://db/ticks ─")
    found(first, "asking the engine")
    found(screen(StoreView(reason="no answer in time"), status=status), " no answer in time")
    assert any("Nothing is stored." in line for line in screen(StoreView(), status=parse_status({})))
    assert "● stored to 0.02 s ago" in screen(view(), status=status, reachable=False)[1]


def test_series_of_a_store_that_cannot_be_asked() -> None:
    """Those listed before are marked as such; when there were none it is not said that nothing is stored."""
    found(screen(attrs.evolve(view(), kept=True)), "─ Series ─ 3 ─ ⚠ as last heard ─")
    found(screen(view(series=[], spill=SPILL)), "the store cannot be asked now")


def test_a_long_place_keeps_its_end() -> None:
    """Of a path that does not fit the last folders are shown."""
    answer = parse_store({**RAW, "place": "/srv/" + "x" * 200 + "/ticks"})
    row = data_title(answer, reason="", reachable=True, width=80, glyphs=UNICODE)
    assert row_width(row) == 80
    assert "…x" in text_of(row)
    assert "x/ticks ─" in text_of(row)


def test_series_are_filtered() -> None:
    """A filter looks at symbol, venue and schema, and can be turned round."""
    answer = parse_store(RAW)
    assert [one.key for one in filter_series(answer, "eth")] == [ETHER]
    assert [one.key for one in filter_series(answer, "!mbp")] == [TRADES, ETHER]
    assert filter_series(None, "x") == []
    lines = screen(view(), Place(pattern="zzz"))
    found(lines, "nothing matches the filter")
    found(lines, "─ 0 of 3 ─ /zzz")
    found(screen(view(series=[])), "nothing stored yet")


def test_growth_is_seen() -> None:
    """A sparkline is scaled to its highest step, keeps the newest, and shows anything above nothing."""
    assert spark_text([0, 1, 50, 100], 6, UNICODE) == "   ▁▄█"
    assert spark_text([100, 0, 100], 2, UNICODE) == " █"
    assert spark_text([], 3, UNICODE) == "   "
    rows = growth_rows([0, 100, 50], width=20, height=3, glyphs=UNICODE)
    assert [text_of(row)[-3:] for row in rows[1:]] == [" █ ", " ██"]
    assert "Rows a second ─ 50 now ─ 100 at most" in text_of(
        growth_rows([0, 100, 50], width=60, height=2, glyphs=UNICODE)[0]
    )
    assert growth_rows([], width=20, height=9, glyphs=UNICODE) == []


def test_room_goes_to_series_then_detail_and_results() -> None:
    """The series have half of the rows and what nobody else needs; every part fits, and one of a title alone is
    left out."""
    shares = share_height(21, head=2, series=30, gaps=1, results=9)
    assert (shares.series, shares.detail, shares.results) == (8, 4, 3)
    tall = share_height(48, head=2, series=30, gaps=1, results=0)
    assert (tall.series, tall.detail, tall.results) == (30, 5, 0)
    small = share_height(9, head=3, series=30, gaps=0, results=5)
    assert (small.series, small.detail, small.results) == (1, 0, 0)


@given(
    st.integers(0, 60), st.integers(0, 6), st.integers(0, 500), st.integers(0, 20), st.integers(0, 500)
)  # fmt: skip
def test_the_parts_never_need_more_than_there_is(
    height: int, head: int, series: int, gaps: int, results: int
) -> None:
    """Whatever there is to show, the parts fit into the height and the table is not left out while there is room."""
    shares = share_height(height, head=head, series=series, gaps=gaps, results=results)
    room = max(height - head - 4, 0)
    assert min(shares.series, shares.detail + 1, shares.results + 1) >= 0
    assert shares.series + shares.detail + shares.results <= max(room, 1)
    assert shares.series >= min(max(series, 1), (room + 1) // 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400)
    | st.sampled_from([*TRADES, "spilling", "catching up", "running", "done", "down", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["venue", "symbol", "schema", "rows", "days", "bytes", "first_ns", "last_ns", "start_ns", "end_ns", "cause",
         "mode", "queued_rows", "spilled_rows", "next_try_s", "since_ns", "redis", "problem", "name", "state",
         "done", "total", "unit", "results", "severity", "message", "x"]), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(RAW)), JSON), st.sampled_from([(80, 21), (160, 48), (60, 12), (20, 4)]))
def test_any_answer_can_be_drawn(raw: dict[str, Any], size: tuple[int, int]) -> None:
    """An answer of any shape gives a screen of the right size, never an exception; nothing in it commands the
    terminal."""
    watch = StoreWatch(started_ns=0)
    for number in (1, 2):
        answer = parse_store({"enabled": True, **raw})
        watch.take(StoreReport(number=number, at_ns=NOW_NS + number * NS_PER_S, answer=answer))
    key = watch.view.answer.series[0].key if watch.view.answer and watch.view.answer.series else None
    lines = screen(watch.view, Place(cursor=key), width=size[0], height=size[1])
    assert all(line.isprintable() for line in lines)


def test_absurd_figures_and_texts_are_safe() -> None:
    """Numbers no counter reaches, instants beyond every calendar, no numbers at all, and control characters."""
    huge = json.loads("[1e400, NaN]")
    series = [{**SERIES[0], "rows": 10**400, "last_ns": 2**64, "first_ns": -1, "symbol": "\x1b[2J\u202e"}]
    lines = screen(view(series=series, lag_s=huge[0], sync_age_s=huge[1], spill={**SPILL, "next_try_s": huge[1]}))
    assert any("?[2J?" in line for line in lines)


def test_ascii_is_ascii() -> None:
    """With ASCII only there is no other character in any part."""
    known = view(job={**JOB, "results": FINDINGS}, spill={**SPILL, "mode": "catching up", "replayed_rows": 5})
    assert all(line.isascii() for line in screen(known, glyphs=ASCII))


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (5904, "5.9 kB"), (2**64, "9999 TB")])
def test_sizes_are_short(size: int, text: str) -> None:
    """Sizes take seven characters at most and always have a unit."""
    assert short_bytes(size) == text


def test_a_series_is_copied_as_text() -> None:
    """One line of tab-separated fields, the names first."""
    assert copy_series(parse_store(RAW).series[1]).split("\t")[:5] == ["KRAKEN", "BTCUSD", "mbp-1", "900", "1"]
