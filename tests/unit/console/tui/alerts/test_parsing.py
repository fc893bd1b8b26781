"""The answer to `alerts` as values: what is right is read, what is odd or hostile harms nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.alerts.document import Alerts, Counts, Heard, copy_alert, copy_event, copy_rule
from console.tui.alerts.parsing import MOST, parse_alerts
from console.tui.alerts.place import PANES, Place
from console.tui.alerts.rows import alert_rows
from console.tui.snapshot import Health, Snapshot
from console.tui.text import ASCII, UNICODE, row_width
from core.clock import NS_PER_S
from tests.unit.console.tui.alerts.documents import MINUTE_NS, NOW_NS, alert, document, event, rule, silences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = tuple(document())


def read(**fields: Any) -> Alerts:
    """The alerts of the document, with some `fields` of its own."""
    return parse_alerts(document(**fields))


def test_a_document_is_read_whole() -> None:
    """Counts, rules, alerts, silences, handlers and history are there."""
    found = read()
    assert found.enabled
    assert found.counts == Counts(critical=1, warning=1, pending=1, quiet=2)
    assert (found.counts.firing, found.counts.worst) == (2, "critical")
    assert (found.interval_s, found.took_ms, found.watched, found.alerts_total) == (30.0, 1.3, 232, 5)
    assert found.rules[0].parents == ("ipc_disconnected",)
    assert found.alerts[0].labels == (("venue", "KRAKEN"),)
    assert [one.match for one in found.silences] == ["symbol=BTCUSD venue=BINANCE", ""]
    assert (found.handlers[2].state, found.handlers[2].suppressed) == ("failing", 31)
    assert found.history[0].rule == "connection_down"


def test_what_needs_somebody_is_first() -> None:
    """What fires comes before what is about to, the worst first, and last what somebody knows of already."""
    standing = [(one.standing, one.severity) for one in read().alerts]
    assert standing == [
        ("firing", "critical"), ("firing", "warning"), ("pending", "warning"), ("quiet", "warning"),
        ("quiet", "warning"),
    ]  # fmt: skip
    assert [one.state for one in read().rules][-3:] == ["ok", "ok", "off"]


def test_an_alert_that_ended_lasted() -> None:
    """From when it was last said to fire; not where its beginning is not told, and not across instances."""
    lasted = {one.number: one.lasted_ns for one in read().history}
    assert lasted[9] == 725 * NS_PER_S
    assert lasted[7] == 42 * NS_PER_S
    assert lasted[5] is None
    other = [event(2, 10, "resolved"), event(1, 20, "firing", instance="another")]
    assert read(history=other).history[0].lasted_ns is None


@pytest.mark.parametrize(
    ("fields", "near"),
    [
        ({"value": 5.0}, 0.5), ({"value": 30.0}, 1.0), ({"value": -1.0}, 0.0), ({"value": None}, None),
        ({"threshold": 0.0, "value": 0.0}, 0.0), ({"threshold": 0.0, "value": 2.0}, 1.0),
        ({"condition": "< 1", "threshold": 1.0, "value": 1.0}, 0.0),
        ({"condition": "< 1", "threshold": 1.0, "value": 0.0}, 1.0),
        ({"condition": "< 0.05", "threshold": 0.05, "value": 0.2}, 0.25),
        ({"value": float("nan")}, None), ({"value": 10**400}, None), ({"value": "5"}, None),
    ],
)  # fmt: skip
def test_how_near_a_value_is_to_firing(fields: dict[str, Any], near: float | None) -> None:
    """As a share of its threshold from either side; what is up or down is never half down."""
    assert read(rules=[rule(**fields)]).rules[0].nearness == (None if near is None else pytest.approx(near))


def test_what_is_sent_back_is_what_came() -> None:
    """Names and labels are kept as the engine has them, beside what is drawn of them."""
    (found,) = read(alerts=[alert(rule="ルール", subject="symbol=ビット", labels={"symbol": "ビット"})]).alerts
    assert found.id == ("ルール", "symbol=ビット")
    assert found.labels == (("symbol", "ビット"),)
    assert (found.rule, found.subject) == ("???", "symbol=???")


def test_control_characters_do_not_come_through() -> None:
    """Every text that is drawn is safe to draw."""
    evil = "\x1b[2J\u202e\r\n\x9b31m"
    found = read(
        alerts=[alert(rule=f"a{evil}", subject=evil, summary=evil, quiet=evil, quiet_by=evil, value_text=evil)],
        rules=[rule(evil, metric=evil, condition=evil, runbook=evil, parents=[evil])],
        silences=[{**silences()[0], "rule": evil, "match": {evil: evil}, "by": evil, "comment": evil}],
        handlers=[{"name": evil, "kind": evil, "state": evil, "problem": evil}],
        history=[event(1, 5, evil, rule=evil, subject=evil, message=evil, value=evil)],
        problem=evil,
    )  # fmt: skip
    drawn = _drawn(found)
    assert drawn.isprintable()
    assert copy_rule(found.rules[0]).replace("\t", "").isprintable()
    assert copy_event(found.history[0]).replace("\t", "").isprintable()
    assert copy_alert(found.alerts[0]).replace("\t", "").isprintable()


def test_what_cannot_be_asked_for_is_left_out() -> None:
    """An alert without a rule, a silence without a number, a rule without a name; two of one name are one."""
    found = read(
        alerts=[alert(rule=None), alert(rule="x" * 501), alert(), alert()], rules=[rule(""), rule(), rule()],
        silences=[{"number": -1}, {"number": True}, {"rule": "a"}], alerts_total=0,
    )  # fmt: skip
    assert (len(found.alerts), len(found.rules), found.silences, found.alerts_total) == (1, 1, (), 1)


def test_a_flood_is_bounded() -> None:
    """Of each list the first are kept, and the total is told."""
    found = read(alerts=[alert(rule=f"r{number}") for number in range(MOST + 500)], alerts_total=70_000)
    assert (len(found.alerts), found.alerts_total) == (MOST, 70_000)


@given(JSON, st.sampled_from(FIELDS))
def test_any_field_may_be_anything(value: Any, field: str) -> None:
    """Whatever stands in one field, the rest is read and all of it can be drawn."""
    _drawn(parse_alerts({**document(), field: value}))


@given(
    st.dictionaries(
        st.sampled_from(("rule", "subject", "labels", "since_ns", "value", "quiet_until_ns", "state")), JSON
    )
)
def test_any_row_may_be_anything(fields: dict[str, Any]) -> None:
    """The same within the rows of the lists."""
    _drawn(read(
        alerts=[alert(**fields)], rules=[{**rule(), **fields}], history=[{**event(1, 5, "firing"), **fields}],
        silences=[{**silences()[0], **fields}], handlers=[{"name": "a", **fields}],
    ))  # fmt: skip


def test_nothing_is_read_of_nothing() -> None:
    """An empty answer is one of an engine that does not watch."""
    assert parse_alerts({}) == Alerts(enabled=False)
    assert read(now_ns=NOW_NS, looked_ns=2**70).looked_ns == 0
    assert read(looked_ns=NOW_NS - MINUTE_NS).looked_ns == NOW_NS - MINUTE_NS


def _drawn(alerts: Alerts) -> str:
    # Every list with the keys in it once, at two sizes.
    snapshot = Snapshot(now_ns=NOW_NS, status=None, health=Health(reachable=True))
    found = []
    for (width, height), glyphs in (((80, 24), UNICODE), ((160, 48), ASCII)):
        for pane in PANES:
            place = Place().focused(pane)
            rows = alert_rows(snapshot, Heard(alerts=alerts), place, width=width, height=height, glyphs=glyphs)
            assert len(rows) == height
            assert all(row_width(row) == width for row in rows)
            found += ["".join(text for text, _style in row) for row in rows]
    return "".join(found)
