"""Work on old days that an engine does, because it has the embedded store open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from console.batch import db_upkeep
from core.errors import RefusedError, UnreachableError
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from ringbuf import discovery, layout
from tests.unit.console.batch.running import Console, catalogue_path, ticks_directory

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.fixture(autouse=True)
def writer() -> Iterator[None]:
    """Somebody who writes the embedded store."""
    with closing(Catalogue(catalogue_path())) as catalogue, closing(EmbeddedTickStore(ticks_directory(), catalogue)):
        yield


def engines(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[tuple[str, str, dict[str, Any]]]:
    """Two engines, `other` that stores elsewhere and `mine` that writes this test's store and answers the rest;
    returns what they are asked."""
    asked: list[tuple[str, str, dict[str, Any]]] = []

    def ask(instance: str, operation: str, *, timeout_s: float = 15.0, **arguments: Any) -> dict[str, Any]:
        if operation != "status":
            asked.append((instance, operation, arguments))
            return answer(operation, arguments)
        assert timeout_s < 15
        if instance == "mute":
            raise UnreachableError("status", "no answer")
        place = str(ticks_directory()) if instance == "mine" else "/elsewhere"
        return {"store": {"enabled": True, "kind": "embedded", "place": place}}

    alive = [SimpleNamespace(instance=name, alive=True) for name in ("mute", "other", "mine")]
    monkeypatch.setattr(discovery, "instances", lambda: [*alive, SimpleNamespace(instance="dead", alive=False)])
    monkeypatch.setattr(db_upkeep, "ask", ask)
    monkeypatch.setattr(db_upkeep, "POLL_S", 0.001)
    return asked


@pytest.mark.parametrize("command", [("compress", "--before", "2025-11-23"), ("prune", "--keep-days", "5", "--yes")])
def test_the_engine_that_writes_does_it(
    command: tuple[str, ...], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found among all, asked once, waited for, and what it did is printed."""
    row = {"venue": "KRAKEN", "rows": 5, "bytes_before": 10, "bytes_after": 4}
    states = iter(["running", "running", "done"])

    def answer(operation: str, _arguments: dict[str, Any]) -> dict[str, Any]:
        state = next(states) if operation == "store" else "running"
        job = {"state": state, "since_ns": 7, "done": 1, "total": 2, "results": [row], "result_rows": 8}
        return {"job": job | {"message": ""}}

    asked = engines(monkeypatch, answer)
    found = console("db", *command, "--json")
    assert (found.code, found.json["rows"], found.json["done_by"]) == (0, [row], "mine")
    assert [operation for _, operation, _ in asked] == [command[0], "store", "store", "store"]
    assert {instance for instance, _, _ in asked} == {"mine"}
    assert "7 more days" in found.err
    if command[0] == "compress":
        assert asked[0][2] == {"before": "2025-11-23"}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"state": "failed", "since_ns": 7, "message": "the disk is full"}, "the disk is full"),
        ({"state": "running", "since_ns": 8, "message": ""}, "does something else"),
        (None, "does something else"),
    ],
)
def test_an_engine_that_fails_is_an_error_in_words(
    job: dict[str, Any] | None, words: str, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that failed, or that another one took the place of, ends with what happened."""

    def answer(operation: str, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {"job": job if operation == "store" else {"state": "running", "since_ns": 7}}

    engines(monkeypatch, answer)
    found = console("db", "compress")
    assert found.code == 1
    assert words in found.err


def test_an_engine_that_refuses_says_why(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only engine, or a busy one, is exit code 8."""

    def answer(_operation: str, _arguments: dict[str, Any]) -> dict[str, Any]:
        raise RefusedError("mine compress", "this engine is read-only")

    engines(monkeypatch, answer)
    found = console("db", "compress")
    assert found.code == 8
    assert "read-only" in found.err


def test_a_writer_that_nobody_knows_is_named(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no engine says that it has the store, or the registry cannot be read, who holds the lock is said."""

    def unreadable() -> list[Any]:
        raise layout.RingError("no such directory")

    monkeypatch.setattr(discovery, "instances", unreadable)
    found = console("db", "compress")
    assert found.code == 8
    assert "is written by process" in found.err
