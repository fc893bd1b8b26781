"""The Alerts screen as text: what it says, at which size it says what, and what it says where there is nothing."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from console.tui.alerts.aboutrows import about_lines
from console.tui.alerts.document import Alert, Heard
from console.tui.alerts.panerows import shown_of
from console.tui.alerts.parsing import parse_alerts
from console.tui.alerts.place import PANES, Place, layout_of
from console.tui.alerts.rows import alert_rows
from console.tui.alerts.words import ago_text, duration_text, left_text, limit_text, note_text, time_text
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus
from console.tui.text import UNICODE, row_width
from core.clock import DAY_NS, NS_PER_S
from tests.unit.console.tui.alerts.documents import MINUTE_NS, NOW_NS, alert, alerts, calm, document, rule

SIZES = [(60, 12), (80, 21), (99, 60), (120, 37), (160, 48), (240, 70)]


def drawn(
    told: dict[str, Any], place: Place | None = None, *, size: tuple[int, int] = (160, 48), started_ns: int = 0
) -> str:
    """The screen as text."""
    status = EngineStatus(started_ns=started_ns)
    snapshot = Snapshot(now_ns=NOW_NS, status=status, health=Health(reachable=True))
    width, height = size
    found = alert_rows(
        snapshot, Heard(alerts=parse_alerts(told)), place or Place(), width=width, height=height, glyphs=UNICODE
    )
    assert len(found) == height
    assert all(row_width(row) == width for row in found)
    return "\n".join("".join(text for text, _style in row) for row in found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pane", PANES)
def test_every_list_is_named_and_the_one_with_the_keys_is_seen(size: tuple[int, int], pane: Any) -> None:
    """At every size each list is there or named with its count."""
    screen = drawn(document(), Place().focused(pane), size=size)
    counts = {"alerts": "Now 5", "rules": "Rules 12", "history": "History 10", "silences": "Silences 2",
              "handlers": "Told 3"}  # fmt: skip
    for name, text in counts.items():
        assert (f"▸{text}" if name == pane else text) in screen
    assert {"alerts": "· silenced", "rules": "⚠ firing", "history": "· acked", "silences": "#3",
            "handlers": "⚠ failing"}[pane] in screen  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("quiet", [False, True])
def test_the_panes_cover_the_screen(size: tuple[int, int], quiet: bool) -> None:
    """Each cell belongs to one of them, whichever list is shown."""
    width, height = size
    for pane in PANES:
        layout = layout_of(Place().focused(pane), calm=quiet, width=width, height=height)
        boxes = [layout.about, *(box for _name, box in layout.boxes)]
        assert layout.box(pane) is not None
        assert sum(box.width * box.height for box in boxes) == width * height
        assert all(box.height > 0 and box.y + box.height <= height for box in boxes)


def test_a_value_stands_beside_its_threshold() -> None:
    """With a bar of how near it is: full where it fires, none where it is far."""
    screen = drawn(document()).splitlines()
    line = next(one for one in screen if "channel_backpressure" in one)
    assert "0.61 ━━━━━━   >= 0.8        168" in line
    assert "━" not in next(one for one in screen if "ipc_disconnected     " in one)


def test_what_to_do_is_said_before_anything_else() -> None:
    """Below the sentence of what is the matter; then since when, the condition, and when somebody is told again."""
    told = parse_alerts(document())
    lines = [text for text, _style in about_lines(told.alerts[0], told, now_ns=NOW_NS, width=300, glyphs=UNICODE)]
    assert lines[0] == "⚠ critical: no connection to KRAKEN"
    assert lines[1].startswith("It is tried again and again")
    assert lines[2:] == [
        "connection_down fires since 14:10:00Z, 3m 20s", "of venue=KRAKEN",
        "fires when ringside_connection_up is < 1, for 30 s, now 0", "told again at 14:17:20Z, in 4m",
    ]  # fmt: skip
    quiet = next(one for one in told.alerts if one.quiet == "silenced")
    last = about_lines(quiet, told, now_ns=NOW_NS, width=300, glyphs=UNICODE)[-1][0]
    assert last == "silenced by uid 1000 until 15:53:20Z, in 1h 40m: nobody is told"


def test_a_rule_is_told_of_anything() -> None:
    """Where its alerts name a venue it says a venue."""
    told = parse_alerts(document(rules=[rule(summary="{instance} lost {venue}")]))
    lines = about_lines(told.rules[0], told, now_ns=NOW_NS, width=80, glyphs=UNICODE)
    assert lines[0][0] == "● ok: an instance lost a venue"


def test_nothing_fires_in_a_sentence() -> None:
    """How much is watched, and when it was looked; rules that are off do not count."""
    screen = drawn(calm(rules=[rule(watched=1), rule("b", state="off", watched=0)]))
    assert "● nothing fires; 1 rule watches 1 thing; looked 12 s ago" in screen
    assert "nothing happened yet" in drawn(calm(history=[]))
    assert "nothing is silenced" in screen


@pytest.mark.parametrize(
    ("started_ns", "text"),
    [
        (NOW_NS - 18 * NS_PER_S, "first look in 13 s"), (NOW_NS - MINUTE_NS, "the first look is due"),
        (0, "it is looked every 30s"),
    ],
)  # fmt: skip
def test_before_the_first_look_it_is_said_when(started_ns: int, text: str) -> None:
    """And not that all is well: nobody knows yet."""
    screen = drawn(calm(looked_ns=0), started_ns=started_ns)
    assert f"nothing was looked at yet; {text}" in screen
    assert "nothing fires" not in screen


def test_who_does_not_look_any_more_is_seen() -> None:
    """A last look that is long ago is marked, and so is what keeps it from looking."""
    assert "⚠ looked 4m ago" in drawn(document(looked_ns=NOW_NS - 4 * MINUTE_NS))
    assert "⚠ no room for history" in drawn(document(problem="no room for history"))


def test_quiet_is_not_nothing() -> None:
    """Where all that fires is known, it is not said that nothing fires; what only follows is last."""
    known = [alert(quiet="acknowledged"), *[one for one in alerts() if one["quiet"]]]
    told = document(alerts=known, counts={"quiet": 3})
    assert "nothing fires" not in drawn(told)
    assert [one.quiet for one in parse_alerts(told).alerts] == ["acknowledged", "silenced", "inhibited"]


def test_more_than_is_told_is_counted() -> None:
    """The number of all alerts stands beside those that came."""
    assert "Now 5 of 12 345" in drawn(document(alerts_total=12_345))


@pytest.mark.parametrize(
    ("pattern", "count"), [("kraken", 2), ("!kraken", 3), ("STALE", 2), ("warning", 4), ("zz", 0)]
)
def test_rows_are_filtered(pattern: str, count: int) -> None:
    """By any word of theirs; `!` inverts; where nothing is left that is said."""
    assert len(shown_of(parse_alerts(document()), pattern).lists["alerts"]) == count
    if not count:
        assert "nothing matches the filter" in drawn(document(), attrs.evolve(Place(), pattern=pattern))


def test_times_are_short_and_have_their_zone() -> None:
    """A time of today without its day; durations in two parts; what is over is now."""
    assert time_text(NOW_NS, now_ns=NOW_NS) == "14:13:20Z"
    assert time_text(NOW_NS - DAY_NS, now_ns=NOW_NS) == "09-20 14:13Z"
    assert time_text(0, now_ns=NOW_NS) == "-"
    texts = [duration_text(seconds * NS_PER_S) for seconds in (-5, 0, 59, 60, 725, 7200, 12_000, 187_200, 10**10)]
    assert texts == ["0s", "0s", "59s", "1m", "12m 5s", "2h", "3h 20m", "2d 4h", "9999d"]
    assert [ago_text(NOW_NS - age * NS_PER_S, now_ns=NOW_NS) for age in (-9, 12, 200)] == [
        "0 s ago", "12 s ago", "3m 20s ago",
    ]  # fmt: skip
    assert left_text(NOW_NS, now_ns=NOW_NS) == "now"


def test_notes_and_limits_fit_their_columns() -> None:
    """A threshold without its window; until when and by whom, or when somebody is told."""
    assert limit_text("> 5 % of trades within 300 s, for 60 s") == "> 5 %"
    assert limit_text("> 10 s, for 30 s") == "> 10 s"
    assert limit_text("") == ""
    assert limit_text("< 1, for 30 s") == "< 1"
    one = Alert(id=("a", ""), rule="a")
    assert note_text(one, now_ns=NOW_NS) == ""
    assert note_text(attrs.evolve(one, next_ns=NOW_NS + MINUTE_NS), now_ns=NOW_NS) == "told again in 1m"
    known = attrs.evolve(one, quiet="silenced", quiet_by="me", quiet_until_ns=NOW_NS + MINUTE_NS)
    assert note_text(known, now_ns=NOW_NS) == "until 14:14Z by me"
