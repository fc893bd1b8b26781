"""The page and the dashboard say what is declared, all of it and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.metrics.page import PAGE, with_tables
from core.telemetry.delays import HOPS
from core.telemetry.series import COLUMNS, PREFIX, SERIES

DASHBOARD: dict[str, Any] = json.loads((Path(PAGE).parent / "grafana.json").read_text(encoding="utf-8"))
ROWS = ["Feeds", "Data quality", "Delays", "Rings", "Store", "Paper trading", "Alerts", "Engine"]
NOT_DRAWN = {"engine_info", "legs", "quotes_total", "skewed_total", "checksums_ok_total", "account_halted", "broken",
             "ring_lag_records", "disk_free_bytes", "shm_free_bytes", "cache_updates_total", "store_duplicates_total",
             "out_of_order_total", "recovered_total", "book_updates_total", "delay_seconds_sum",
             "delay_seconds_count", "connection_down_seconds", "stale_seconds", "book_invalid_seconds"}  # fmt: skip
"""What has no panel: another panel says the same, or it is for looking closer."""


def panels() -> Iterator[dict[str, Any]]:
    """Every panel but the rows themselves."""
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            yield panel


def test_the_page_is_what_the_program_declares() -> None:
    """`python -m console.metrics.page` makes the tables; it would change nothing."""
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text
    for name in (*SERIES, *HOPS):
        assert f"| `{name}` |" in text


def test_every_expression_names_what_is_declared() -> None:
    """Series, and the labels by which they are told apart; each is one instance's."""
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            names = re.findall(rf"{PREFIX}\w+", expression)
            assert names, expression
            assert set(names) <= set(COLUMNS), expression
            selected = expression.count('job="$job"')
            assert selected == len(names), expression
            for matcher in re.findall(r"\{([^}]*)\}", expression):
                labels = {part.partition("=")[0] for part in matcher.split(",")}
                assert labels <= {"job", "instance", *(label for name in names for label in COLUMNS[name])}
            for group in re.findall(r"by \(([^)]*)\)", expression):
                assert set(group.split(", ")) <= {label for name in names for label in COLUMNS[name]}
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert any(label in COLUMNS[name] for name in names), target


def test_counters_are_drawn_as_rates() -> None:
    """What only grows says nothing in itself; what does not is no counter."""
    for panel in panels():
        for target in panel["targets"]:
            for name in re.findall(rf"{PREFIX}\w+", target["expr"]):
                rated = re.search(rf"(rate|increase)\({name}\{{", target["expr"]) is not None
                assert rated == name.endswith(("_total", "_bucket")), target["expr"]


def test_everything_is_drawn_or_has_a_reason_not_to_be() -> None:
    """A series that is added is put on the dashboard, or on the list above."""
    drawn = {
        name for panel in panels() for one in panel["targets"] for name in re.findall(rf"{PREFIX}\w+", one["expr"])
    }
    assert set(COLUMNS) - drawn == {PREFIX + name for name in NOT_DRAWN}


def test_panels_are_whole() -> None:
    """Each has a number of its own, a title, a unit, the source that the reader chooses, and a place of its own."""
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == ROWS
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels():
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@pytest.mark.parametrize("name", ["datasource", "job", "instance"])
def test_the_reader_chooses_source_and_instance(name: str) -> None:
    """At the top of the dashboard; the instances are those that are there."""
    (variable,) = [one for one in DASHBOARD["templating"]["list"] if one["name"] == name]
    assert variable["type"] == ("datasource" if name == "datasource" else "query")


def test_it_is_a_dashboard_to_be_imported() -> None:
    """Of a schema that Grafana 10 and later read, without the number that some server gave it."""
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] == "ringside"
    assert DASHBOARD["schemaVersion"] >= 38
    assert DASHBOARD["title"]
    assert "__inputs" not in DASHBOARD
