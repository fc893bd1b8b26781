"""`alerts list|history|silences|sessions|rehearse`: what there is to know."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

import attrs

from console.batch import output
from core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from config.operations import AlertingSettings

SCHEMA_VERSION: Final = 1
MOST_ROWS: Final = 100_000
_RULE_COLUMNS: Final = ("rule", "severity", "state", "value", "threshold", "watched", "firing")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for; the exit code."""
    return {
        "list": _list,
        "history": _history,
        "silences": _silences,
        "sessions": _sessions,
        "rehearse": _rehearse,
    }[arguments.action](arguments)


def settings_of(arguments: argparse.Namespace) -> tuple[AlertingSettings, Path]:
    """What the settings say of alerts, and the state directory. Raises `ConfigurationError`."""
    from config.paths import find_paths
    from console.batch.settings_options import settings_from

    paths = find_paths()
    return settings_from(arguments).settings.alerting, paths.state


def _list(arguments: argparse.Namespace) -> int:
    document = _document_of(arguments)
    if arguments.format == "json":
        output.write_object(document, form="json")
        return 0
    if arguments.format != "table":
        output.write_rows(document["rules"], form=arguments.format)
        return 0
    if document["alerts"]:
        output.write_rows([_alert(row) for row in document["alerts"]], form="table")
        output.talk("")
    output.write_rows([_rule(row) for row in document["rules"]], form="table")
    if document["enabled"] and document["instance_id"] and not document["looked_ns"]:
        output.talk(f"{document['instance_id']} has not looked yet: it looks every {document['interval_s']:g} s")
    elif document["instance_id"] and not document["alerts"]:
        output.talk("nothing fires")
    return 0


def _document_of(arguments: argparse.Namespace) -> dict[str, Any]:
    # Of the engine that runs, and without one what the settings say.
    from console.batch import control
    from console.batch.attach import find_socket
    from core.errors import NotFoundError, RefusedError

    try:
        instance = arguments.instance or find_socket("").stem
        return control.ask(instance, "alerts", history=0)
    except NotFoundError:
        if arguments.instance:
            raise
        output.talk("no engine runs: these are the rules of the settings")
    except RefusedError as error:
        output.talk(f"{error.subject}: these are the rules of the settings")
    from console.alerting.document import rule_rows
    from console.alerting.rules import rules_of

    settings, _ = settings_of(arguments)
    rules, off = rules_of(settings)
    if not settings.enabled:
        rules, off = (), (*rules, *off)
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": None,
        "enabled": settings.enabled,
        "interval_s": settings.interval_secs,
        "looked_ns": 0,
        "rules": rule_rows(None, rules, off),
        "alerts": [],
    }


def _alert(row: dict[str, Any]) -> dict[str, Any]:
    state = f"{row['state']}, {row['quiet']}" if row["quiet"] else row["state"]
    return {
        "alert": row["rule"],
        "subject": row["subject"],
        "severity": row["severity"],
        "state": state,
        "value": row["value_text"],
        "threshold": row["threshold_text"],
        "since": output.instant(row["since_ns"]),
    }


def _rule(row: dict[str, Any]) -> dict[str, Any]:
    shown = {"value": row["value_text"], "threshold": row["condition"]}
    return {name: shown.get(name, row.get(name)) for name in _RULE_COLUMNS}


def _history(arguments: argparse.Namespace) -> int:
    from config.paths import find_paths
    from console.alerting.keeping import read_history
    from console.batch.times import instant_of
    from core.clock import wall_ns

    if not 0 < arguments.limit <= MOST_ROWS:
        raise UsageError("bad limit", str(arguments.limit), hint=f"from 1 to {MOST_ROWS}")
    since_ns = instant_of(arguments.since, now_ns=wall_ns()) if arguments.since else 0
    found = read_history(find_paths().state, arguments.limit, rule=arguments.rule, since_ns=since_ns)
    if not found and arguments.format == "table":
        output.talk("nothing has happened")
    rows = [{"time": output.instant(row.time_ns), **attrs.asdict(row)} for row in found]
    shown = [{name: row[name] for name in row if name != "number"} for row in rows]
    output.write_rows(
        shown if arguments.format == "table" else rows,
        form=arguments.format,
        envelope={"schema_version": SCHEMA_VERSION},
    )
    return 0


def _silences(arguments: argparse.Namespace) -> int:
    from config.paths import find_paths
    from console.alerting.silence_file import SilenceFile
    from core.clock import wall_ns

    silences = SilenceFile(find_paths().state).read()
    silences.expire(wall_ns())
    rows = [
        {
            "number": one.number,
            "rule": one.rule,
            "match": ",".join(f"{name}={pattern}" for name, pattern in one.match),
            "until": output.instant(one.until_ns),
            "until_ns": one.until_ns,
            "by": one.by,
            "comment": one.comment,
        }
        for one in silences
    ]
    if not rows and arguments.format == "table":
        output.talk("nothing is silenced")
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": SCHEMA_VERSION})
    return 0


def _sessions(arguments: argparse.Namespace) -> int:
    from config.paths import find_paths
    from console.alerting.recording import sessions

    rows = [
        {
            "session": one.name,
            "instance": one.instance,
            "written": output.instant(one.written_ns),
            "written_ns": one.written_ns,
            "bytes": one.stored_bytes,
        }
        for one in sessions(find_paths().state)
    ]
    if not rows and arguments.format == "table":
        output.talk("no session was recorded yet: an engine records its own while it watches")
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": SCHEMA_VERSION})
    return 0


def _rehearse(arguments: argparse.Namespace) -> int:
    from console.alerting.recording import find_session
    from console.alerting.rehearsal import rehearse_session, rule_rows
    from console.alerting.rules import rules_of
    from core.alerts.matching import pattern

    settings, state_directory = settings_of(arguments)
    known, _ = rules_of(settings)
    rules = [rule for rule in known if pattern(arguments.rule).fullmatch(rule.name)]
    if not rules:
        raise UsageError("no such rule", ascii(arguments.rule)[:60], hint="`ringside alerts list` has them")
    session = find_session(state_directory, arguments.session)
    found = rehearse_session(session, rules)
    events = [{"time": output.instant(one.time_ns), **attrs.asdict(one)} for one in found.events]
    rows = events if arguments.events else rule_rows(found, rules)
    if arguments.format == "table" and not arguments.events:
        rows = [row for row in rows if row["fired"]]
    envelope = {
        "schema_version": SCHEMA_VERSION,
        "session": session.name,
        "looks": found.looks,
        "begin_ns": found.begin_ns,
        "end_ns": found.end_ns,
        "messages": len(found.messages),
    }
    output.write_rows(rows, form=arguments.format, envelope=envelope)
    fired = sum(one.state == "firing" for one in found.events)
    alerts = f"{fired:,} alert{'s' if fired != 1 else ''}"
    messages = f"{len(found.messages):,} message{'s' if len(found.messages) != 1 else ''}"
    output.talk(
        f"{session.name}: {found.looks:,} looks from {output.instant(found.begin_ns)} to "
        f"{output.instant(found.end_ns)}; {alerts} would have fired, in {messages}"
    )
    return 0
