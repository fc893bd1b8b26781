"""Alerts as an engine tells of them, for the tests of the Alerts screen."""

from __future__ import annotations

from typing import Any

from core.clock import NS_PER_S

NOW_NS = 1_790_000_000 * NS_PER_S  # 2026-09-21T14:13:20Z
MINUTE_NS = 60 * NS_PER_S
RUNBOOK = (
    "It is tried again and again, and what is missed is fetched afterwards. Screen 8 says what the venue answers. "
    "Look at the venue's status page, the network, and DNS; `ringside doctor` checks this machine."
)


def document(now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """Two alerts that fire, one that is about to, two that nobody is told of; `fields` in the place of others."""
    whole = {
        "schema_version": 1, "instance_id": "test", "now_ns": now_ns, "enabled": True, "interval_s": 30.0,
        "looked_ns": now_ns - 12 * NS_PER_S, "took_ms": 1.3, "problem": "",
        "counts": {"critical": 1, "warning": 1, "info": 0, "pending": 1, "quiet": 2},
        "rules": rules(), "alerts": alerts(now_ns), "alerts_total": 5, "silences": silences(now_ns),
        "handlers": handlers(now_ns), "history": history(now_ns),
    }  # fmt: skip
    return {**whole, **fields}


def calm(now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """An engine in which all is well."""
    well = [rule | {"state": "ok", "firing": 0} for rule in rules()]
    none = {"critical": 0, "warning": 0, "info": 0, "pending": 0, "quiet": 0}
    own: dict[str, Any] = {"counts": none, "rules": well, "alerts": [], "alerts_total": 0, "silences": []}
    return document(now_ns, **{**own, **fields})


def alert(now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """One alert that fires."""
    own = {
        "rule": "connection_down", "subject": "venue=KRAKEN", "labels": {"venue": "KRAKEN"}, "severity": "critical",
        "state": "firing", "value": 0.0, "value_text": "0", "threshold_text": "< 1, for 30 s",
        "since_ns": now_ns - 3 * MINUTE_NS - 20 * NS_PER_S, "summary": "no connection to KRAKEN", "quiet": "",
        "quiet_by": "", "quiet_until_ns": 0, "next_ns": now_ns + 4 * MINUTE_NS,
    }  # fmt: skip
    return {**own, **fields}


def alerts(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """All of them, the quiet ones not last."""
    stale = {
        "rule": "stale_feed", "severity": "warning", "value": 1.0, "value_text": "1",
        "threshold_text": ">= 1, for 30 s",
    }  # fmt: skip
    return [
        alert(now_ns, **stale, subject="symbol=ETHUSD venue=KRAKEN",
              labels={"symbol": "ETHUSD", "venue": "KRAKEN"}, since_ns=now_ns - 95 * NS_PER_S,
              summary="ETHUSD on KRAKEN should move and does not", quiet="inhibited", quiet_by="connection_down",
              next_ns=0),
        alert(now_ns),
        alert(now_ns, rule="store_lag", subject="-", labels={}, severity="warning", value=12.4, value_text="12.4",
              threshold_text="> 10, for 60 s", since_ns=now_ns - 70 * MINUTE_NS,
              summary="the store is behind", next_ns=now_ns + 19 * MINUTE_NS),
        alert(now_ns, **stale, subject="symbol=BTCUSD venue=BINANCE",
              labels={"symbol": "BTCUSD", "venue": "BINANCE"}, since_ns=now_ns - 40 * MINUTE_NS,
              summary="BTCUSD on BINANCE should move and does not", quiet="silenced", quiet_by="uid 1000",
              quiet_until_ns=now_ns + 100 * MINUTE_NS, next_ns=0),
        alert(now_ns, rule="reconnection_storm", subject="venue=BINANCE", labels={"venue": "BINANCE"},
              severity="warning", state="pending", value=11.0, value_text="11",
              threshold_text="> 10 within 300 s, for 30 s", since_ns=now_ns - 8 * NS_PER_S,
              summary="BINANCE was connected to again and again within five minutes", next_ns=0),
    ]  # fmt: skip


def rule(name: str = "connection_down", **fields: Any) -> dict[str, Any]:
    """One rule that is fine."""
    own = {
        "rule": name, "severity": "warning", "state": "ok", "metric": f"ringside_{name}", "condition": "> 10",
        "threshold": 10.0, "value": 0.0, "value_text": "0", "threshold_text": "> 10", "watched": 4, "firing": 0,
        "summary": f"{name} is too high", "runbook": f"Look at {name}.", "cooldown_s": 300.0, "for_s": 0.0,
        "parents": [],
    }  # fmt: skip
    return {**own, **fields}


def rules() -> list[dict[str, Any]]:
    """Twelve of them, in the order of their states."""
    return [
        rule(severity="critical", state="firing", metric="ringside_connection_up", condition="< 1, for 30 s",
             threshold=1.0, threshold_text="< 1", watched=2, firing=1, summary="no connection to {venue}",
             runbook=RUNBOOK, for_s=30.0, parents=["ipc_disconnected"]),
        rule("store_lag", state="firing", value=12.4, value_text="12.4", condition="> 10, for 60 s", watched=1,
             firing=1, metric="ringside_store_lag_seconds", runbook="Screen 6 says what the store waits for."),
        rule("reconnection_storm", state="pending", value=11.0, value_text="11", watched=2,
             condition="> 10 within 300 s, for 30 s"),
        rule("stale_feed", state="quiet", value=1.0, value_text="1", condition=">= 1, for 30 s", threshold=1.0,
             threshold_text=">= 1", watched=14, firing=2, parents=["ipc_disconnected", "connection_down"]),
        rule("disk_free", severity="critical", state="ok", condition="< 0.05", threshold=0.05, value=0.062,
             value_text="0.062", threshold_text="< 0.05", watched=1, metric="ringside_disk_free_ratio"),
        rule("channel_backpressure", condition=">= 0.8, until 0.6", threshold=0.8, value=0.61, value_text="0.61",
             threshold_text=">= 0.8", watched=168, metric="ringside_ring_fill_ratio"),
        rule("ipc_disconnected", severity="critical", condition="< 1", threshold=1.0, value=1.0, value_text="1",
             threshold_text="< 1", watched=2, metric="ringside_ipc_up"),
        rule("trades_lost", threshold=0.0, threshold_text="> 0", condition="> 0 within 300 s", watched=14),
        rule("trade_gap", severity="info", threshold=0.0, threshold_text="> 0", condition="> 0 within 300 s",
             watched=14),
        rule("book_crossed", severity="critical", threshold=1.0, threshold_text=">= 1", condition=">= 1", watched=14),
        rule("cache_failures", state="unknown", value=None, value_text="", watched=0, threshold=0.1,
             threshold_text="> 0.1"),
        rule("spend_budget", state="off", value=None, value_text="", watched=0, threshold=0.9,
             threshold_text="> 0.9"),
    ]  # fmt: skip


def silences(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """One of one symbol, one of many rules."""
    return [
        {"number": 3, "rule": "stale_feed", "match": {"symbol": "BTCUSD", "venue": "BINANCE"},
         "until_ns": now_ns + 100 * MINUTE_NS, "by": "uid 1000", "comment": "maintenance, announced"},
        {"number": 4, "rule": "book_*", "match": {}, "until_ns": now_ns + 11 * 60 * MINUTE_NS, "by": "uid 1000",
         "comment": ""},
    ]  # fmt: skip


def handlers(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """Those that always hear, and one that cannot be reached."""
    counts = {"failed": 0, "suppressed": 0, "waiting": 0}
    return [
        {"name": "log", "kind": "log", "state": "ok", "problem": "", "sent": 12, **counts,
         "last_ns": now_ns - 3 * MINUTE_NS},
        {"name": "screen", "kind": "screen", "state": "ok", "problem": "", "sent": 12, **counts,
         "last_ns": now_ns - 3 * MINUTE_NS},
        {"name": "night", "kind": "telegram", "state": "failing",
         "problem": "api.telegram.org: no answer within 10 s",
         "sent": 7, "failed": 2, "suppressed": 31, "waiting": 1, "last_ns": now_ns - 64 * MINUTE_NS},
    ]  # fmt: skip


def event(number: int, ago_s: float, state: str, *, now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """One line of the history."""
    own = {
        "number": number, "time_ns": now_ns - round(ago_s * NS_PER_S), "instance": "test", "rule": "connection_down",
        "subject": "venue=KRAKEN", "severity": "critical", "state": state, "value": "0", "threshold": "< 1, for 30 s",
        "message": "no connection to KRAKEN",
    }  # fmt: skip
    return {**own, **fields}


def history(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """Newest first: what fires now, what ended, what somebody did, something of yesterday."""
    stale = {
        "rule": "stale_feed", "subject": "symbol=BTCUSD venue=BINANCE", "severity": "warning", "value": "1",
        "threshold": ">= 1, for 30 s", "message": "BTCUSD on BINANCE should move and does not",
    }  # fmt: skip
    lag = {
        "rule": "store_lag", "subject": "-", "severity": "warning", "value": "12.4", "threshold": "> 10, for 60 s",
        "message": "the store is behind",
    }  # fmt: skip
    return [
        event(14, 200, "firing", now_ns=now_ns),
        event(13, 1500, "silenced", now_ns=now_ns, **stale),
        event(12, 2400, "firing", now_ns=now_ns, **stale),
        event(11, 4100, "acknowledged", now_ns=now_ns, **lag),
        event(10, 4200, "firing", now_ns=now_ns, **lag),
        event(9, 9000, "resolved", now_ns=now_ns, value="1"),
        event(8, 9725, "firing", now_ns=now_ns),
        event(7, 90_000, "resolved", now_ns=now_ns, **stale),
        event(6, 90_042, "firing", now_ns=now_ns, **stale),
        event(5, 200_000, "resolved", now_ns=now_ns, **lag),
    ]
