"""What the machine says: real disks and a real ledger; and nobody waits for one that does not answer."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio
import trio.testing

from console.metrics import facts
from console.metrics.collect import collect
from console.metrics.facts import (
    FactsReader,
    MachineFacts,
    Patient,
    read_budgets,
    read_machine,
    space_of,
    spent_shares,
)
from console.metrics.service import problem_of
from console.plan import EnginePlan, SpendingPlan
from console.stores import catalogue_path
from core.store.catalogue import Catalogue
from core.store.spending import Budget, Spent
from core.telemetry.frame import Column
from core.telemetry.series import PREFIX
from tests.simulator.test_engine import make_plan
from tests.unit.console.metrics.documents import NOW_NS, a_connection, a_status


def test_the_machine_of_this_test() -> None:
    """A place that does not exist yet is on the disk of what does; the process has memory, time and files."""
    found = read_machine({"data": Path("/tmp/not/there/yet"), "state": Path("/proc/self/mem/x")})
    assert found.disks["data"] == space_of(Path("/tmp"))
    assert found.disks["data"] is not None
    assert 0 < found.disks["data"].free_ratio <= 1
    assert found.disks["state"] is None
    assert found.shm is not None
    assert (found.resident_bytes or 0) > 1 << 20
    assert (found.cpu_s or 0) > 0
    assert (found.open_files or 0) >= 3


def test_budgets_are_shares_of_what_is_spent() -> None:
    """Only those that there are; of nothing all is spent."""
    spent = Spent(today_usd=Decimal("2.50"), month_usd=Decimal(30))
    assert spent_shares(spent, Budget(daily_usd=Decimal(10), monthly_usd=Decimal(20))) == {"day": 0.25, "month": 1.5}
    assert spent_shares(spent, Budget(daily_usd=None, monthly_usd=Decimal(0))) == {"month": 1.0}


def test_the_ledger_is_looked_up_where_there_is_a_budget() -> None:
    """No budget, no ledger yet, a ledger without purchases, and one that cannot be read: a budget that there is does
    not vanish because nobody knows what is spent of it."""
    plan = make_plan("BTCUSD")
    assert read_budgets(plan) == {}
    plan = attrs.evolve(plan, spending=SpendingPlan(daily_budget_usd="5"))
    assert read_budgets(plan) == {"day": None}
    path = catalogue_path(plan.state_directory)
    with closing(Catalogue(path)):
        pass
    assert read_budgets(plan) == {"day": 0.0}
    path.write_bytes(b"this is no catalogue" * 100)
    assert read_budgets(plan) == {"day": None}
    assert read_budgets(attrs.evolve(plan, spending=SpendingPlan(daily_budget_usd="much"))) == {}


@pytest.mark.trio
async def test_facts_of_an_engine() -> None:
    """The three places, memory, and no budget."""
    found = await FactsReader(make_plan("BTCUSD"))()
    assert set(found.disks) == {"data", "state", "logs"}
    assert found.resident_bytes
    assert found.spent == {}


@pytest.mark.trio
async def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs costs the first who asks a moment and the others nothing, until it answers again."""
    monkeypatch.setattr(facts, "PATIENCE_S", 0.01)
    answers, asked = threading.Event(), 0

    def hang() -> str:
        nonlocal asked
        asked += 1
        answers.wait(10)
        return "answer"

    patient = Patient(hang, every_s=0.0)
    assert [await patient() for _ in range(5)] == [None] * 5
    assert asked == 1
    answers.set()
    with trio.fail_after(5):
        while await patient() != "answer":
            await trio.sleep(0.005)


@pytest.mark.trio
async def test_two_who_ask_at_once_get_the_same_answer() -> None:
    """A scrape does not blank the look of a rule: the second waits for what the first asked for."""
    asked, answers = itertools.count(1), threading.Event()

    def answer() -> int:
        answers.wait(10)
        return next(asked)

    patient, got = Patient(answer, every_s=60.0), list[int | None]()

    async def ask() -> None:
        got.append(await patient())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert got == []
            answers.set()
    assert got == [1, 1, 1]


@pytest.mark.trio
async def test_who_asks_second_waits_no_longer_than_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither hears of a disk that hangs; and who leaves before the answer takes it from nobody."""
    monkeypatch.setattr(facts, "PATIENCE_S", 0.05)
    answers = threading.Event()
    patient, got = Patient(lambda: answers.wait(10), every_s=60.0), list[bool | None]()

    async def ask() -> None:
        got.append(await patient())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
        assert got == [None, None]
        monkeypatch.setattr(facts, "PATIENCE_S", 60.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            answers.set()
    assert got == [None, None, True]


@pytest.mark.trio
async def test_what_does_not_answer_is_unknown_and_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks and budgets keep their labels in the frame while nobody tells of them, and then their values come."""
    monkeypatch.setattr(facts, "PATIENCE_S", 0.01)
    answers = threading.Event()

    def slow(places: Mapping[str, Path]) -> MachineFacts:
        answers.wait(10)
        return read_machine(places)

    def slow_ledger(plan: EnginePlan) -> dict[str, float | None]:
        answers.wait(10)
        return {"day": 0.5}

    monkeypatch.setattr(facts, "read_machine", slow)
    monkeypatch.setattr(facts, "read_budgets", slow_ledger)
    reader = FactsReader(attrs.evolve(make_plan("BTCUSD"), spending=SpendingPlan(daily_budget_usd="5")))
    names = ("disk_free_ratio", "disk_free_bytes", "shm_free_ratio", "budget_spent_ratio")

    async def seen() -> dict[str, Column]:
        frame = collect(a_status(), await reader(), now_ns=NOW_NS)
        return {name: frame.columns[PREFIX + name] for name in names}

    before = await seen()
    assert all(np.isnan(column.values).all() for column in before.values())
    assert before["disk_free_ratio"].labels == (("data",), ("state",), ("logs",))
    assert before["budget_spent_ratio"].labels == (("day",),)
    answers.set()
    with trio.fail_after(5):
        after = before
        while any(np.isnan(column.values).any() for column in after.values()):
            await trio.sleep(0.005)
            after = await seen()
    assert {name: column.labels for name, column in after.items()} == {
        name: column.labels for name, column in before.items()
    }


@pytest.mark.trio
async def test_an_answer_is_kept_for_a_while() -> None:
    """A ledger is looked up once a minute, however often somebody asks."""
    counted = itertools.count(1)
    patient = Patient(lambda: next(counted), every_s=60.0)
    assert [await patient() for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"state": "draining"}, "the engine is draining"),
        ({"store_problem": "disk\x1b full"}, r"storing fails: disk\x1b full"),
        ({"connections": []}, "no venue is connected: none is asked for yet"),
        (
            {"connections": [a_connection(status="error", reason="refused\n")]},
            r"no venue is connected: KRAKEN error: refused\n",
        ),
        ({"connections": [a_connection(status="error"), a_connection("BINANCE")]}, ""),
    ],
)
def test_health_is_a_reason_in_one_line(changes: dict[str, object], problem: str) -> None:
    """Runs, stores, and some venue is connected; anything else is said, fit to be printed."""
    well = {"state": "running", "store_problem": "", "connections": [a_connection()]}
    assert problem_of(well | changes) == problem
