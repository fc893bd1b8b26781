"""`alerts ack|silence|unsilence|test`: what people say to alerts, and whether anybody hears of them."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import Final

from console.batch import output
from console.batch.alerts_shown import SCHEMA_VERSION, settings_of
from console.batch.operator import operator_name
from core.durations import DURATIONS, parse_duration_s
from core.errors import NotFoundError, UsageError

UNHEARD: Final = 9
MAX_LASTING_S: Final = 366 * 86_400.0
MAX_TEXT: Final = 200


def run(arguments: argparse.Namespace) -> int:
    """Do what was chosen; the exit code."""
    return {"ack": _acknowledge, "silence": _silence, "unsilence": _unsilence, "test": _test}[arguments.action](
        arguments
    )


def _acknowledge(arguments: argparse.Namespace) -> int:
    from console.batch import control
    from console.batch.attach import find_socket

    instance = arguments.instance or find_socket("").stem
    answer = control.ask(instance, "acknowledge", rule=arguments.rule, subject=arguments.subject)
    output.write_object({"schema_version": SCHEMA_VERSION, "instance_id": instance} | answer, form=arguments.format)
    return 0


def _silence(arguments: argparse.Namespace) -> int:
    # In the file that every engine reads: no engine need run.
    from console.alerting.rules import check_silence, rules_of
    from console.alerting.silence_file import SilenceFile
    from core.clock import NS_PER_S, wall_ns

    seconds = parse_lasting(arguments.lasting)
    match = [parse_match(text) for text in arguments.match]
    for text in (arguments.rule, arguments.comment):
        if len(text) > MAX_TEXT or not text.isprintable():
            raise UsageError("bad text", ascii(text)[:40], hint=f"at most {MAX_TEXT} characters that can be printed")
    settings, state_directory = settings_of(arguments)
    rules, off = rules_of(settings)
    check_silence((*rules, *off), arguments.rule, match)
    now_ns = wall_ns()
    added = SilenceFile(state_directory).add(
        arguments.rule,
        match,
        until_ns=now_ns + round(seconds * NS_PER_S),
        now_ns=now_ns,
        by=operator_name(),
        comment=arguments.comment,
    )
    output.write_object(
        {
            "schema_version": SCHEMA_VERSION,
            "number": added.number,
            "rule": added.rule,
            "match": dict(added.match),
            "until": output.instant(added.until_ns),
            "until_ns": added.until_ns,
        },
        form=arguments.format,
    )
    return 0


def _unsilence(arguments: argparse.Namespace) -> int:
    from config.paths import find_paths
    from console.alerting.silence_file import SilenceFile
    from core.clock import wall_ns

    gone = SilenceFile(find_paths().state).remove(arguments.number, now_ns=wall_ns())
    if gone is None:
        hint = "`ringside alerts silences` lists them"
        raise NotFoundError("no such silence", str(arguments.number), hint=hint)
    output.write_object(
        {"schema_version": SCHEMA_VERSION, "number": gone.number, "rule": gone.rule}, form=arguments.format
    )
    return 0


def _test(arguments: argparse.Namespace) -> int:
    from config.paths import find_paths
    from console.alerting.handlers.plan import handler_plans
    from console.alerting.trial import test_handlers
    from console.batch.log_options import log_plan
    from console.batch.loops import run_quietly
    from console.batch.settings_options import settings_from
    from console.journal import closing_journal, open_journal

    settings = settings_from(arguments).settings
    plans = handler_plans(settings.alerting)
    output.talk(f"a message to each of {len(plans)}: {', '.join(plan.name for plan in plans)}")
    instance = f"test-{os.getpid()}"
    open_journal(find_paths().logs, to_stderr=False, log=log_plan(settings, arguments), instance=instance)
    with closing_journal():  # the log hears as well
        rows = run_quietly(lambda: test_handlers(plans, instance=instance))
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": SCHEMA_VERSION})
    failed = [row["handler"] for row in rows if not row["ok"]]
    if failed:
        output.talk(f"not heard by {', '.join(failed)}")
    return UNHEARD if failed else 0


def parse_lasting(text: str) -> float:
    """Seconds that a silence lasts. Raises `UsageError`."""
    with contextlib.suppress(ValueError):
        if 0 < (seconds := parse_duration_s(text)) <= MAX_LASTING_S:
            return seconds
    raise UsageError("bad time", ascii(text)[:40], hint=f"{DURATIONS}, up to a year")


def parse_match(text: str) -> tuple[str, str]:
    """A label and its pattern from `venue=KRAKEN`. Raises `UsageError`."""
    name, _, pattern = text.partition("=")
    if not name or not pattern or len(text) > MAX_TEXT or not text.isprintable():
        raise UsageError("bad label", ascii(text)[:40], hint="like venue=KRAKEN or symbol='BTC*'")
    return name.strip(), pattern.strip()
