"""An engine that watches over itself: alerts that fire, people who hear of them, and what is kept of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from config.operations import AlertingSettings, HandlerSettings, RuleSettings
from config.paths import find_paths
from console.alerting.keeping import read_history
from console.alerting.plan import AlertPlan, alert_plan
from console.alerting.recording import find_session
from console.alerting.rehearsal import rehearse_session
from console.journal import Journal
from console.plan import FeedPlan
from console.supervise import Engine
from core.alerts.rules import Comparison, Rule, Severity
from ringbuf.control import ControlClient, ControlError
from tests.simulator.test_engine import DEADLINE_S, make_plan
from tests.unit.console.batch.running import Console

LOOK_S = 0.1
HIGH = RuleSettings(metric="price", match={"symbol": "BTCUSD"}, above=1, summary="{symbol} has a price")


def watching(settings: AlertingSettings | None = None, **rules: RuleSettings) -> AlertPlan:
    """A plan that looks ten times a second, with these rules beside ours."""
    settings = settings or AlertingSettings()
    plan = alert_plan(attrs.evolve(settings, interval_secs=LOOK_S, rules={**settings.rules, **rules}))
    assert plan is not None
    return plan


class Asked:
    """A running engine that is asked over its control channel."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self._client = ControlClient(path, timeout_s=10)

    async def __call__(self, operation: str, **asked: Any) -> dict[str, Any]:
        return await trio.to_thread.run_sync(lambda: self._client.request(operation, **asked))

    async def until(self, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The alerts once they satisfy `enough`."""
        while not enough(found := await self("alerts")):
            await trio.sleep(0.05)
        return found

    def close(self) -> None:
        """Leave."""
        self._client.close()


@asynccontextmanager
async def running(alerts: AlertPlan | None, *symbols: str, **changes: Any) -> AsyncIterator[Asked]:
    """An engine on the simulated market until the end of the block, stopped cleanly then."""
    engine = Engine(make_plan(*(symbols or ("BTCUSD",)), alerts=alerts, **changes), Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            asked = Asked(engine, await nursery.start(engine.run))
            try:
                yield asked
            finally:
                engine.stop()
                asked.close()


def fired(document: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    """The alerts of a rule that fire."""
    return [one for one in document["alerts"] if one["rule"] == rule and one["state"] == "firing"]


def listener(folder: Path) -> tuple[HandlerSettings, Path]:
    """Somebody who hears by a program, and the file in which it writes down what it heard, a line each."""
    heard, program = folder / "heard", folder / "hear.sh"
    program.write_text(f"#!/bin/sh\ncat >> {heard}\necho >> {heard}\n")
    program.chmod(0o700)
    return HandlerSettings(kind="exec", command=(str(program),)), heard


@pytest.mark.trio
async def test_what_fires_is_shown_told_and_kept(tmp_path: Path) -> None:
    """Over the control channel, to a program, in the summary, and in the history that commands read afterwards."""
    handler, heard = listener(tmp_path)
    plan = watching(AlertingSettings(handlers={"pager": handler}), high=HIGH)
    async with running(plan, persist=False) as asked:
        document = await asked.until(lambda found: bool(fired(found, "high")) and bool(found["history"]))
        while not heard.exists() or not heard.read_text().strip():
            await trio.sleep(0.05)
        while not (status := await asked("status"))["alerts"]["messages"]:
            await trio.sleep(0.05)
    (alert,) = fired(document, "high")
    assert alert["labels"] == {"venue": "SIM.KRAKEN", "symbol": "BTCUSD"}
    assert alert["summary"] == "BTCUSD has a price"
    assert alert["value"] > 1000
    assert status["alerts"]["warning"] >= 1
    assert any(one["title"] == "BTCUSD has a price" for one in status["alerts"]["messages"])
    told = [json.loads(line) for line in heard.read_text().splitlines() if line]
    assert [one["title"] for one in told if one["rule"] == "high"] == ["BTCUSD has a price"]
    assert asked.engine.summary["alerts"]["fired"]["high"] == 1
    rows = read_history(find_paths().state, 100, rule="high", since_ns=0)
    assert [(row.state, row.subject, row.instance, row.message) for row in rows] == [
        ("resolved", "symbol=BTCUSD venue=SIM.KRAKEN", "test", "the engine ended"),
        ("firing", "symbol=BTCUSD venue=SIM.KRAKEN", "test", "BTCUSD has a price"),
    ]


@pytest.mark.trio
async def test_a_storm_of_reconnects_fires_its_rule_alone() -> None:
    """And a connection that is cut again and again tells nobody of each symbol that stands still."""
    plan = watching(AlertingSettings(reconnection_storm_threshold=2))
    async with running(plan, faults="disconnect=0.3s", persist=False) as asked:
        document = await asked.until(lambda found: bool(fired(found, "reconnection_storm")))
    (alert,) = fired(document, "reconnection_storm")
    assert alert["value"] > 2
    assert not fired(document, "stale_feed")


@pytest.mark.trio
async def test_people_acknowledge_and_silence() -> None:
    """What somebody knows of is quiet, and says who; a silence ends when it is taken back; all of it is history."""
    async with running(watching(high=HIGH), persist=False) as asked:
        await asked.until(lambda found: bool(fired(found, "high")))
        with pytest.raises(ControlError, match="nothing of it fires"):
            await asked("acknowledge", rule="disk_full", subject="")
        assert await asked("acknowledge", rule="high", subject="symbol=BTCUSD venue=SIM.KRAKEN") == {
            "acknowledged": 1
        }
        (alert,) = fired(await asked("alerts"), "high")
        assert alert["quiet"] == "acknowledged"
        assert alert["quiet_by"].startswith("uid ")
        silence = await asked("silence", rule="h*", match={"symbol": "BTC*"}, for_s=3600, comment="known")
        document = await asked("alerts")
        (row,) = document["silences"]
        assert (row["number"], row["match"], row["comment"]) == (silence["number"], {"symbol": "BTC*"}, "known")
        await asked("unsilence", number=silence["number"])
        assert (await asked("alerts"))["silences"] == []
        with pytest.raises(ControlError, match="no such silence"):
            await asked("unsilence", number=silence["number"])
        document = await asked.until(lambda found: len(found["history"]) >= 3)
    assert [row["state"] for row in document["history"] if row["rule"] == "high"] == [
        "silenced",
        "acknowledged",
        "firing",
    ]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("alerts", {"history": -1}), ("alerts", {"history": "x"}), ("alerts", {"history": True}),
        ("acknowledge", {"rule": 1}), ("acknowledge", {"rule": "x" * 1000}), ("unsilence", {"number": "1"}),
        ("silence", {"rule": "*"}), ("silence", {"rule": "*", "for_s": -1}), ("silence", {"for_s": 1e12}),
        ("silence", {"rule": "*", "for_s": 60, "match": []}), ("silence", {"for_s": 60, "match": {"a": 1}}),
        ("silence", {"rule": "\x1b[2J", "for_s": 60}), ("silence", {"for_s": 60, "match": {"\n": "x"}}),
    ],
)  # fmt: skip
async def test_nonsense_is_refused(operation: str, asked: dict[str, Any]) -> None:
    """In words, and the engine goes on."""
    async with running(watching(), persist=False) as engine:
        with pytest.raises(ControlError):
            await engine(operation, **asked)
        assert (await engine("ping"))["instance_id"] == "test"
        assert (await engine("alerts"))["silences"] == []


@pytest.mark.trio
async def test_a_read_only_engine_shows_and_refuses() -> None:
    """Alerts can be looked at; nobody says anything to them."""
    async with running(watching(high=HIGH), persist=False, read_only=True) as asked:
        await asked.until(lambda found: bool(fired(found, "high")))
        for operation in ("acknowledge", "silence", "unsilence"):
            with pytest.raises(ControlError, match="read-only"):
                await asked(operation)


@pytest.mark.trio
async def test_without_alerting_nobody_watches() -> None:
    """It is said, and nothing is kept."""
    async with running(None, persist=False) as asked:
        assert (await asked("status"))["alerts"] == {"enabled": False}
        with pytest.raises(ControlError, match="nobody watches"):
            await asked("alerts")
    assert asked.engine.summary["alerts"] is None
    assert not (find_paths().state / "alerts").exists()


@pytest.mark.trio
async def test_a_rehearsal_of_the_session_is_what_fired() -> None:
    """The same rules over the recorded figures bring the history of the session, line by line."""
    plan = watching(AlertingSettings(reconnection_storm_threshold=1), high=HIGH)
    async with running(plan, faults="disconnect=0.4s", persist=False) as asked:
        await asked.until(lambda found: bool(fired(found, "reconnection_storm")) and bool(fired(found, "high")))
    written = reversed(read_history(find_paths().state, 1000))
    history = [row for row in written if row.message != "the engine ended"]
    session = find_session(find_paths().state, "latest")
    again = rehearse_session(session, plan.rules)
    said = [(one.time_ns, one.rule, one.subject, one.state, one.value) for one in again.events]
    assert said == [(row.time_ns, row.rule, row.subject, row.state, row.value) for row in history]
    assert stat.S_IMODE(session.path.stat().st_mode) == 0o600


@pytest.mark.trio
async def test_a_storm_is_told_in_five_messages_and_kept_whole(tmp_path: Path) -> None:
    """A thousand alerts at once: each who hears gets five messages a minute at most, and each alert is history."""
    handler, heard = listener(tmp_path)
    rules = tuple(
        Rule(
            name=f"storm{number}", metric="ringside_price", comparison=Comparison.ABOVE, threshold=1,
            severity=Severity.CRITICAL if number == 500 else Severity.WARNING,
        )
        for number in range(1000)
    )  # fmt: skip
    plan = attrs.evolve(watching(AlertingSettings(handlers={"pager": handler})), rules=rules)
    async with running(plan, persist=False) as asked:
        await asked.until(lambda found: found["counts"]["warning"] == 999 and found["counts"]["critical"] == 1)
    told = [json.loads(line) for line in heard.read_text().splitlines() if line]
    assert 1 <= len(told) <= 5
    assert any(one["severity"] == "critical" for one in told)
    # What the end of the engine cut off may be heard once more, and is never lost.
    assert 1000 <= sum(one["count"] for one in told) <= 1000 + len(told)
    rows = read_history(find_paths().state, 5000)
    assert sorted(row.rule for row in rows if row.state == "firing") == sorted(one.name for one in rules)


@pytest.mark.trio
async def test_somebody_who_never_answers_delays_nobody(tmp_path: Path) -> None:
    """The other one hears at once, looks go on in time, trades come in, and the engine stops within moments."""
    handler, heard = listener(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/hook"
        dead = HandlerSettings(kind="webhook", url=url, timeout_secs=60)
        plan = watching(AlertingSettings(handlers={"dead": dead, "pager": handler}), high=HIGH)
        async with running(plan, persist=False) as asked:
            await asked.until(lambda found: bool(fired(found, "high")))
            while not heard.exists():
                await trio.sleep(0.05)
            before = await asked("status")
            looked_ns = (await asked("alerts"))["looked_ns"]
            await asked.until(lambda found: found["looked_ns"] - looked_ns > 5 * LOOK_S * 1e9)
            after = await asked("status")
            begun_s = trio.current_time()
        assert trio.current_time() - begun_s < 20
    assert after["feeds"][0]["trades"] > before["feeds"][0]["trades"]


@pytest.mark.trio
async def test_a_child_that_dies_is_critical() -> None:
    """It is noticed that the rings of a feed in a process of its own have no producer, and that they have again."""
    feeds = (FeedPlan(provider="kraken", symbols=("BTCUSD",), simulated=True, seed=7),)
    async with running(watching(), persist=False, feeds=feeds, split=True) as asked:
        await asked.until(
            lambda found: any(row["rule"] == "ipc_disconnected" and row["state"] == "ok" for row in found["rules"])
        )
        (row,) = (await asked("status"))["connections"]
        os.kill(row["pid"], signal.SIGKILL)
        document = await asked.until(lambda found: any(row["rule"] == "ipc_disconnected" for row in found["history"]))
        assert document["history"][-1]["severity"] == "critical"
        await asked.until(
            lambda found: any(
                row["rule"] == "ipc_disconnected" and row["state"] == "resolved" for row in found["history"]
            )
        )


def test_commands_work_without_an_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """The rules of the settings are listed, the history is empty, silences can be made and ended, a test is heard."""
    console = Console(capsys)
    listed = console("alerts", "list", "--json")
    assert listed.code == 0
    assert listed.json["instance_id"] is None
    assert {row["state"] for row in listed.json["rules"]} == {"unknown"}
    assert console("alerts", "history", "--json").json["rows"] == []
    assert console("alerts", "sessions", "--json").json["rows"] == []
    made = console(
        "alerts", "silence", "stale*", "--for", "2h", "--match", "venue=KRAKEN", "--comment", "x", "--json"
    )
    assert made.json["number"] == 1
    (row,) = console("alerts", "silences", "--json").json["rows"]
    assert (row["rule"], row["match"], row["comment"]) == ("stale*", "venue=KRAKEN", "x")
    assert console("alerts", "unsilence", "1").code == 0
    assert console("alerts", "unsilence", "1").code == 4
    tried = console("alerts", "test", "--json")
    assert tried.code == 0
    assert {row["kind"]: row["ok"] for row in tried.json["rows"]} == {"log": True, "screen": True}
    assert "Ringside can tell you of alerts" in (find_paths().logs / "ringside.log").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("silence", "*", "--for", "soon"), 2, "like 30s, 5m"),
        (("silence", "*", "--for", "0s"), 2, "like 30s, 5m"),
        (("silence", "*", "--match", "venue"), 2, "like venue=KRAKEN"),
        (("silence", "a\nb"), 2, "can be printed"),
        (("history", "--since", "yesterdayish"), 2, "yesterdayish"),
        (("history", "--limit", "0"), 2, "from 1 to"),
        (("rehearse",), 4, "no session was recorded"),
        (("rehearse", "--rule", "nothing"), 2, "no such rule"),
        (("ack", "stale_feed"), 4, "no engine is running"),
        (("list", "--instance", "nobody"), 4, "no such engine"),
        (("unsilence", "x"), 2, "invalid int"),
    ],
)
def test_bad_command_lines_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    """In words, with the exit code of its kind."""
    done = Console(capsys)("alerts", *arguments)
    assert done.code == code
    assert said in done.err


def test_settings_that_make_no_sense_are_told_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule about a series that does not exist, and somebody who cannot be reached."""
    monkeypatch.setenv("RINGSIDE__ALERTING__RULES__OWN__METRIC", "pric")
    monkeypatch.setenv("RINGSIDE__ALERTING__RULES__OWN__ABOVE", "1")
    console = Console(capsys)
    listed = console("alerts", "list")
    assert (listed.code, "did you mean ringside_price" in listed.err) == (3, True)
    served = console("serve", "--provider", "simulated", "--symbols", "BTCUSD", "--duration", "1")
    assert (served.code, "did you mean ringside_price" in served.err) == (3, True)


def test_the_commands_of_an_engine_that_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Listed, acknowledged, silenced, rehearsed, by a program of its own."""
    environment_rule = 'alerting.rules.high = { metric = "price", above = 1 }\nalerting.interval_secs = 0.1\n'
    settings = tmp_path / "settings.toml"
    settings.write_text(environment_rule)
    serve = [sys.executable, "-m", "console", "--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD"]
    with subprocess.Popen([*serve, "--instance-id", "alpha", "-c", settings], stderr=subprocess.DEVNULL) as engine:
        try:
            console = Console(capsys)
            deadline_s = time.monotonic() + DEADLINE_S
            listed = console("alerts", "list", "--json")
            while listed.code or not fired(listed.json, "high"):
                assert time.monotonic() < deadline_s
                listed = console("alerts", "list", "--json")
            assert listed.json["instance_id"] == "alpha"
            assert console("alerts", "ack", "high", "--json").json["acknowledged"] == 1
            table = console("alerts", "list")
            assert "firing, acknowledged" in table.out
            rehearsed = console(
                "alerts", "rehearse", "--session", "alpha", "--rule", "high", "-c", str(settings), "--json"
            )
            assert rehearsed.json["rows"][0]["fired"] == 1
        finally:
            engine.terminate()
            engine.wait(30)
