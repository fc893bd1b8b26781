"""The `control` command: what it asks an engine, and how it shows the answers."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from console.batch import control
from ringbuf.control import socket_path
from tests.unit.console.batch.running import Console

READER = {"name": "store", "pid": 1, "lag": 0, "lapped": 0}
ANSWERS: dict[str, dict[str, Any]] = {
    "status": {
        "started_ns": 1_763_769_600_123_456_789,
        "latency": {"publish_p50_ns": 155_647},
        "store": {"kind": "embedded", "quotes": {"rows": 3}, "repairs": []},
        "feeds": [
            {"venue": "KRAKEN", "symbol": "BTCUSD", "instrument_id": 5, "trades": 2, "gaps": 0, "last_event_ns": 0},
            {"venue": "KRAKEN", "symbol": "ETHUSD", "instrument_id": 6, "trades": 0, "last_event_ns": 10**18},
        ],
    },
    "rings": {"rings": [{"name": "a", "path": "/x/a", "readers": [READER, READER | {"name": "slow", "lag": 7}]}]},
    "recent": {
        "venue": "KRAKEN",
        "trades": [{"time": "2025-11-22T00:00:00.000000000Z", "ts_event": 1, "ts_recv": 2, "price": "42150.1"}],
    },
}  # fmt: skip


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the engine is asked; it answers from `ANSWERS`."""
    questions: list[tuple[str, dict[str, Any]]] = []

    def ask(_instance: str, operation: str, **arguments: Any) -> dict[str, Any]:
        questions.append((operation, arguments))
        return json.loads(json.dumps(ANSWERS.get(operation, {})))  # type: ignore[no-any-return]

    monkeypatch.setattr(control, "ask", ask)
    return questions


@pytest.mark.usefixtures("asked")
def test_the_status_is_lines_and_tables(console: Console) -> None:
    """Objects are lines with a dot, feeds a table below without what nobody reads; instants are readable."""
    lines = [line.split() for line in console("control", "e1", "status").out.splitlines()]
    assert lines == [
        ["name", "value"],
        ["started", "2025-11-22T00:00:00Z"],
        ["latency.publish_p50_ns", "155647"],
        ["store.kind", "embedded"],
        ["store.quotes.rows", "3"],
        ["store.repairs", "-"],
        [],
        ["feeds"],
        ["venue", "symbol", "trades", "last_event"],
        ["KRAKEN", "BTCUSD", "2", "-"],
        ["KRAKEN", "ETHUSD", "0", "2001-09-09T01:46:40Z"],
    ]
    assert console("control", "e1", "status", "--json").json == {"schema_version": 1} | ANSWERS["status"]


@pytest.mark.usefixtures("asked")
def test_lists_are_tables(console: Console) -> None:
    """Readers of a ring are named, with how far they are behind; trades have their time and their price."""
    lines = console("control", "e1", "rings").out.splitlines()
    assert lines[1].split(maxsplit=1) == ["a", "store, slow lag 7"]
    lines = console("control", "e1", "recent", "BTCUSD").out.splitlines()
    assert [line.split() for line in lines] == [["time", "price"], ["2025-11-22T00:00:00.000000000Z", "42150.1"]]
    assert console("control", "e1", "recent", "BTCUSD", "--json").json["rows"] == ANSWERS["recent"]["trades"]


def test_days_are_named_for_what_works_on_days(console: Console, asked: list[tuple[str, dict[str, Any]]]) -> None:
    """`--before` goes along; pruning needs it, others than upkeep refuse it, and it must be a day."""
    assert console("control", "e1", "prune", "--before", "2025-11-22").code == 0
    assert console("control", "e1", "compress").code == 0
    assert asked == [("prune", {"before": "2025-11-22"}), ("compress", {})]
    for wrong, said in ((("prune",), "name a day"), (("ping", "--before", "2025-11-22"), "no days"),
                        (("prune", "--before", "soon"), "bad day"), (("recent",), "name a symbol")):  # fmt: skip
        found = console("control", "e1", *wrong)
        assert (found.code, said in found.err) == (2, True), wrong
    assert len(asked) == 2


def test_an_engine_that_is_not_there_is_not_found(console: Console) -> None:
    """Exit code 4 for a name nobody has, 5 for a socket that nobody answers at; no error number is shown."""
    found = console("control", "nobody", "ping")
    assert found.code == 4
    assert "no such engine: nobody" in found.err
    path = socket_path("dead")
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    found = console("control", "dead", "ping")
    assert found.code == 5
    assert "Errno" not in found.err
