"""The `accounts` command: what it shows of a desk, traded on or not, and what it asks of who trades."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio

import console.__main__ as program
from console.control_server import Operation, serve_control
from console.paper import audit
from console.paper.audit import AuditEntry
from console.paper.desks import desk_folder, desk_place
from console.paper.session import begin, find, sessions
from core.clock import NS_PER_S
from core.errors import NotFoundError
from ringbuf.control import socket_path
from tests.unit.console.batch.running import Console, home
from tests.unit.console.paper.desks import DESK, T0, act, commit, head, traded, write

ACCOUNTS = """
[accounts.default]
id = "main"
currency = "USD"
initial_balance = "1000"
[[accounts.simulation]]
id = "margin"
currency = "USD"
initial_balance = "5000"
leverage = 5
max_day_loss = "4000"
"""


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    """The command line."""
    monkeypatch.setattr(program, "COMMANDS", tuple(dict.fromkeys((*program.COMMANDS, "accounts"))))
    return Console(capsys)


def settings(text: str = ACCOUNTS) -> None:
    """Write the settings of this test."""
    path = home() / "config" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def state() -> Any:
    """Where this test's desks are."""
    return home() / "state"


def logged() -> list[tuple[str, str, str]]:
    """What stands in the audit log, the oldest first."""
    entries = audit.newest(desk_place(state(), DESK), 100)
    return [(one.act, one.target, one.outcome) for one in reversed(entries)]


@contextmanager
def trader(operations: dict[str, Operation]) -> Iterator[None]:
    """Somebody trades on the desk, and answers."""
    path, ready = socket_path("paper-default"), threading.Event()
    path.parent.mkdir(parents=True, exist_ok=True)
    stops: list[Any] = []

    async def answer() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, path, operations)
            stops.append((trio.lowlevel.current_trio_token(), nursery.cancel_scope.cancel))
            ready.set()

    with desk_folder(state(), DESK):
        thread = threading.Thread(target=trio.run, args=(answer,))
        thread.start()
        try:
            assert ready.wait(10)
            yield
        finally:
            for token, cancel in stops:
                token.run_sync_soon(cancel)
            thread.join(10)


def test_a_desk_that_never_was_says_how_to_begin(console: Console) -> None:
    """Nothing to show is an error that names the command; to list nothing is none; a bad name is refused."""
    found = console("accounts")
    assert (found.code, "live --paper-trading" in found.err) == (4, True)
    assert console("accounts", "--json").json["error"]["category"] == "not_found"
    for what in ("--list", "--audit"):
        listed = console("accounts", what, "--json")
        assert (listed.code, listed.json["rows"]) == (0, [])
    assert "live --paper-trading" in console("accounts", "--list").err
    for name in ("../up", "", "a/b", "x" * 99):
        assert console("accounts", "--desk", name).code == 2
    assert not (home() / "state" / "paper").exists()


def test_a_desk_is_shown_by_its_files(console: Console) -> None:
    """The document is that of the desk that wrote them, and says that nobody trades now."""
    recorded = traded()
    session = write(state(), recorded)
    document = console("accounts", "--json").json
    assert (document["session"], document["running"], document["host"]) == (session, False, None)
    assert document["trades_seen"] == 140
    assert [one["equity"] for one in document["accounts"]] == ["985.37", "4966.28"]
    ledger = recorded.desk.ledger
    for one in document["accounts"]:
        assert Decimal(one["equity"]).scaleb(12) == ledger.equity_e12(one["id"], recorded.desk.marks)
    assert [one["number"] for one in document["orders"]] == [5, 7]
    assert [(one["ticks"], one["late"], one["feed"]) for one in document["symbols"]] == [(70, None, "waiting")] * 2
    assert document["strategies"][0]["fills"] == 2


def test_tables_are_for_people(console: Console) -> None:
    """Without --json there is a table of each kind, and word of how to go on."""
    recorded = traded()
    recorded.act(act("halt", "margin"))
    write(state(), recorded)
    found = console("accounts")
    lines = [line.split() for line in found.out.splitlines()]
    titles = [line[0] for line in lines if len(line) == 1]
    assert titles == ["accounts", "positions", "strategies", "symbols"]
    assert ["margin", "USD", "4966.28", "-0.6744%"] in [line[:4] for line in lines]
    assert "halted: by an operator" in found.out
    assert ["trades", "seen", "140"] in lines
    assert "2027-01-15T08:03:25Z" in found.out
    assert "live --paper-trading" in found.err


def test_other_sessions_can_be_named(console: Console) -> None:
    """The latest is shown unless another is named, whole or by how it begins; one that is not there lists those that
    are; sessions are listed with what happened in them."""
    first = write(state(), traded(50))
    second = write(state(), traded(10), created_ns=T0 + 3600 * NS_PER_S)
    assert console("accounts", "--json").json["session"] == second
    assert console("accounts", "--json", "--session", first[:14]).json["session"] == first
    missing = console("accounts", "--session", "1999")
    assert (missing.code, first in missing.err) == (4, True)
    rows = console("accounts", "--list", "--json").json["rows"]
    assert [(one["session"], one["trades"], one["signals"], one["orders"], one["fills"]) for one in rows] == [
        (second, 20, 2, 2, 2),
        (first, 100, 4, 4, 4),
    ]
    assert rows[1]["newest"] == "2027-01-15T08:04:05Z"


def test_a_damaged_session_hides_no_other(console: Console) -> None:
    """The list says what is wrong with a session, and what the others are; to show it is an error with the file and a
    way out."""
    good = write(state(), traded(10))
    bad = write(state(), traded(10), created_ns=T0 + 3600 * NS_PER_S)
    (desk_place(state(), DESK) / bad / "session.json").write_bytes(b'{"session":"\x1b[2J')
    rows = console("accounts", "--list", "--json").json["rows"]
    assert [(one["session"], bool(one["problem"])) for one in rows] == [(bad, True), (good, False)]
    assert "\x1b" not in console("accounts", "--list").out
    shown = console("accounts")
    assert (shown.code, "session.json" in shown.err, "accounts reset" in shown.err) == (1, True, True)
    assert "Traceback" not in shown.err


def test_what_was_not_finished_is_said(console: Console) -> None:
    """The end of a killed session is left out, and the document notes it."""
    session = write(state(), traded(10))
    with (desk_place(state(), DESK) / session / "ledger.ndjson").open("ab") as file:
        file.write(b'{"kind":"fi')
    assert console("accounts", "--json").json["notes"]
    assert "note: " in console("accounts").err


def test_the_newest_fills_can_be_listed(console: Console) -> None:
    """As many as asked for, the newest first, in every format; a senseless number is refused."""
    write(state(), traded())
    rows = console("accounts", "--fills", "3", "--json").json["rows"]
    assert [one["order"] for one in rows] == [4, 3, 2]
    csv = console("accounts", "--fills", "1", "--format", "csv").out.splitlines()
    assert csv[0].split(",")[:3] == ["time", "order", "strategy"]
    assert len(csv) == 2
    assert console("accounts", "--fills", "0").code == 2
    write(state(), traded(1), created_ns=T0 + 3600 * NS_PER_S)
    none = console("accounts", "--fills", "5", "--format", "csv")
    assert (none.out.splitlines(), "nothing was filled" in none.err) == (csv[:1], True)


def test_a_desk_can_be_looked_at_while_somebody_trades(console: Console) -> None:
    """What is committed is shown, with who trades; an older session of the desk is not the one that runs."""
    older = write(state(), traded(5))
    recorded = traded(10)
    with desk_folder(state(), DESK, instance="engine-7") as folder:
        session = begin(folder, head(recorded.state, created_ns=T0 + 3600 * NS_PER_S))
        commit(session, recorded)
        document = console("accounts", "--json").json
        assert (document["running"], document["host"]["instance"]) == (True, "engine-7")
        assert document["trades_seen"] == 20
        assert "engine-7" in console("accounts").out
        assert not console("accounts", "--json", "--session", older).json["running"]
        session.close()
    assert not console("accounts", "--json").json["running"]


def test_acts_are_asked_of_who_trades(console: Console) -> None:
    """The process that trades is told what to do to whom, with the confirmation; what it answers is
    printed, and what it refuses ends with its exit code."""
    asked: list[dict[str, Any]] = []

    async def pause(given: dict[str, Any]) -> dict[str, Any]:
        asked.append(given)
        return {"done": "paused"}

    async def refuse(given: dict[str, Any]) -> dict[str, Any]:
        asked.append(given)
        raise NotFoundError("no such strategy or account", given["target"], hint="long, short")

    with trader({"pause": pause, "kill": pause, "flatten": refuse}):
        assert console("accounts", "pause", "long", "--json").json["done"] == "paused"
        assert console("accounts", "--desk", DESK, "kill", "--confirm", DESK).code == 0
        refused = console("accounts", "flatten", "nobody")
    assert (refused.code, "long, short" in refused.err) == (4, True)
    assert [(one["target"], one["confirm"]) for one in asked] == [("long", ""), ("all", DESK), ("nobody", "")]


def test_nobody_is_asked_when_nobody_trades(console: Console) -> None:
    """An act on a desk on which nobody trades is refused, says how to begin, and stands in the audit log."""
    for name, *rest in (
        ("pause", "all"),
        ("resume", "x"),
        ("halt", "x"),
        ("release", "x"),
        ("flatten", "x"),
        ("kill",),
    ):
        assert console("accounts", name, *rest).code == 4
    assert not (home() / "state" / "paper").exists()
    write(state(), traded(5))
    found = console("accounts", "halt", "main")
    assert (found.code, "nobody trades on this desk now" in found.err) == (4, True)
    assert logged() == [("halt", "main", "refused: nobody trades on this desk now: default")]
    assert console("accounts", "pause").code == 2


def test_the_audit_log_is_listed(console: Console) -> None:
    """The newest acts come first, in the list and in the document, without what moves a cursor."""
    write(state(), traded(5))
    folder = desk_place(state(), DESK)
    for number, name in enumerate(("pause", "resume", "kill\x1b[2J"), 1):
        entry = AuditEntry(wall_ns=T0 + number * NS_PER_S, act=name, target="all", by="somebody", outcome="done")
        audit.append(folder, entry)
    rows = console("accounts", "--audit", "--json").json["rows"]
    assert [(one["time"], one["act"]) for one in rows] == [
        ("2027-01-15T08:00:03Z", "kill[2J"),
        ("2027-01-15T08:00:02Z", "resume"),
        ("2027-01-15T08:00:01Z", "pause"),
    ]
    assert [one["act"] for one in console("accounts", "--json").json["acts"]] == ["kill[2J", "resume", "pause"]


def test_a_reset_begins_anew_once_it_is_confirmed(console: Console) -> None:
    """What there is is shown first; with the name of the desk a new session has the accounts of the settings and
    nothing else; the old one stays to be read, and the log has both."""
    settings()
    old = write(state(), traded())
    for wrong in ((), ("--confirm", "other"), ("--confirm", "")):
        refused = console("accounts", "reset", *wrong)
        assert (refused.code, "--confirm default" in refused.err) == (8, True)
    assert "account main: worth 985.37 USD, began with 1000" in refused.err
    assert "account main: holds 1 BTCUSD" in refused.err
    assert console("accounts", "--json").json["session"] == old
    done = console("accounts", "reset", "--confirm", DESK, "--json").json
    document = console("accounts", "--json").json
    assert document["session"] == done["session"] != old
    assert [(one["id"], one["equity"], one["leverage"]) for one in document["accounts"]] == [
        ("main", "1000", 1),
        ("margin", "5000", 5),
    ]
    assert document["accounts"][1]["limits"]["day_loss"] == "4000"
    assert (document["positions"], document["orders"], document["strategies"]) == ([], [], [])
    assert console("accounts", "--session", old, "--json").json["positions"] != []
    assert [outcome.split(":")[0] for name, _, outcome in logged() if name == "reset"] == [
        "refused", "refused", "refused", "asked for; it was", "done",
    ]  # fmt: skip
    assert "985.37 USD" in logged()[-2][2]


def test_a_reset_is_the_way_out_of_a_damaged_session(console: Console) -> None:
    """What cannot be read is said and gone; then the desk can be shown again."""
    settings()
    bad = write(state(), traded())
    (desk_place(state(), DESK) / bad / "session.json").write_bytes(b"nothing")
    assert console("accounts").code == 1
    done = console("accounts", "reset", "--confirm", DESK)
    assert (done.code, "not to be read" in done.err) == (0, True)
    assert [one["equity"] for one in console("accounts", "--json").json["accounts"]] == ["1000", "5000"]


def test_nothing_is_reset_while_somebody_trades(console: Console) -> None:
    """A desk that somebody trades on is left alone, and the refusal is logged."""
    settings()
    old = write(state(), traded(5))
    with desk_folder(state(), DESK, instance="engine-7"):
        refused = console("accounts", "reset", "--confirm", DESK)
    assert (refused.code, "engine-7" in refused.err) == (8, True)
    assert sessions(desk_place(state(), DESK)) == [old]
    assert logged()[-1][2].startswith("refused: the desk is taken")
    assert console("accounts", "--desk", "never", "reset", "--confirm", "never").code == 4


def test_an_account_without_a_currency_keeps_the_one_it_had(console: Console) -> None:
    """A default account to which the settings give no currency begins anew in that which it traded in; one of which
    nothing is known is no reason not to begin: it has what it needs once it is used."""
    settings('[accounts.default]\nid = "main"\ninitial_balance = "70"\n')
    write(state(), traded(5))
    assert console("accounts", "reset", "--confirm", DESK).code == 0
    latest = find(desk_place(state(), DESK), "latest").head.state
    assert [(one.id, one.currency, one.balances_e12) for one in latest.accounts] == [
        ("main", "USD", {"USD": 70 * 10**12})
    ]
    settings('[accounts.default]\nid = "another"\n')
    assert console("accounts", "reset", "--confirm", DESK).code == 0
    assert [one["id"] for one in console("accounts", "--json").json["accounts"]] == ["another"]
