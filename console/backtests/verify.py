"""Runs a backtest again and says what differs: the same command twice, or what an earlier result says of itself."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs

from console.backtests.document import KIND, SCHEMA_VERSION, document, metrics_facts
from console.backtests.fingerprint import Fingerprint
from console.backtests.guard import LastResort
from console.backtests.options import add_options
from console.backtests.preparing import prepare_run
from console.backtests.running import Finished, run_once
from core.errors import NotFoundError, PermanentError, UsageError

DIFFERENT: Final = 10
"""The exit code when something differs."""
MOST_BYTES: Final = 64 << 20
_HASHES: Final = {
    "data": "data_sha256",
    "code": "code_sha256",
    "config": "config_sha256",
    "seed": "seed",
    "version": "version",
    "result": "result_sha256",
}
_MOST_TOLD: Final = 20


def verify_twice(arguments: argparse.Namespace, last_resort: LastResort | None = None) -> dict[str, Any]:
    """Run it, run it again from scratch, and compare: the data is loaded again, the strategy is a new one, and is
    asked event by event if it answered all at once before. Raises as `prepare_run` and `run_once`."""
    first = run_once(prepare_run(arguments), last_resort=last_resort)
    array_form = False if first.result.array_form else None
    second = run_once(prepare_run(arguments), array_form=array_form, last_resort=last_resort)
    differences = _of_results(first, second)
    return _verification(
        first.prepared.command,
        before=attrs.asdict(first.fingerprint),
        after=second.fingerprint,
        differences=differences,
        forms=[_form(first), _form(second)],
    )


def _form(finished: Finished) -> str:
    return "array" if finished.result.array_form else "events"


def _of_results(first: Finished, second: Finished) -> list[str]:
    told = _of_metrics(metrics_facts(first.result.metrics), metrics_facts(second.result.metrics))
    for name in ("orders", "fills", "trades"):
        before, after = getattr(first.result, name), getattr(second.result, name)
        if len(before) != len(after):
            told.append(f"{name}: {len(before)} -> {len(after)}")
            continue
        pairs = enumerate(zip(before, after, strict=True), 1)
        unlike = next((number for number, (one, other) in pairs if attrs.asdict(one) != attrs.asdict(other)), 0)
        if unlike:
            told.append(f"{name}: number {unlike} is another one")
    return told


def _of_metrics(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {before.get(name)} -> {after.get(name)}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def verify_file(path: Path, last_resort: LastResort | None = None) -> dict[str, Any]:
    """Run again what the result at `path` says, and compare.

    Raises:
        NotFoundError: there is no such file.
        PermanentError: it is no result of a backtest.
        ConsoleError: what it says cannot be run any more.
    """
    before = read_result(path)
    arguments = parse_command(before["command"])
    second = run_once(prepare_run(arguments), last_resort=last_resort)
    after = document(second)
    return _verification(
        before["command"],
        before=before["fingerprint"],
        after=second.fingerprint,
        differences=_of_metrics(before["metrics"], after["metrics"]),
        forms=[str(before.get("strategy", {}).get("form", "")), _form(second)],
    )


def _verification(
    command: str,
    *,
    before: Mapping[str, Any],
    after: Fingerprint,
    differences: list[str],
    forms: list[str],
) -> dict[str, Any]:
    found = attrs.asdict(after)
    unlike = [name for name, key in _HASHES.items() if before.get(key) != found[key]]
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "verification",
        "command": command,
        "same": not unlike and not differences,
        "differ": unlike,
        "differences": differences[:_MOST_TOLD],
        "forms": forms,
        "before": {key: before.get(key) for key in found},
        "after": found,
    }


def read_result(path: Path) -> dict[str, Any]:
    """The result of a backtest in a file.

    Raises:
        NotFoundError: there is no such file.
        PermanentError: it is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError("no such file", str(path)) from None
    except OSError as error:
        raise PermanentError("cannot read", f"{path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise PermanentError("not a result", f"{path} is larger than {MOST_BYTES >> 20} MiB")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PermanentError("not a result", f"{path} is no JSON") from error
    wanted = {"command": str, "fingerprint": dict, "metrics": dict, "strategy": dict}
    if not isinstance(found, dict) or found.get("kind") != KIND or found.get("schema_version") != SCHEMA_VERSION:
        raise PermanentError(
            "not a result", f"{path} is no result of a backtest", hint="written with --out FILE.json"
        )
    if not all(isinstance(found.get(name), kind) for name, kind in wanted.items()):
        raise PermanentError("not a result", f"{path} lacks one of {', '.join(wanted)}")
    return found


class _Parser(argparse.ArgumentParser):
    # What a file says is no mistake of the command line: no usage is printed, and nothing ends.
    def error(self, message: str) -> NoReturn:
        raise UsageError("cannot run that again", message[:200])


def parse_command(command: str) -> argparse.Namespace:
    """The options of a command line that a result names: only those that decide a result.

    Raises:
        UsageError: it is none of `backtest`.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError("cannot run that again", f"{command[:80]!a}") from error
    if words[:3] != ["ringside", "--batch", "backtest"] or {"-h", "--help"} & set(words):
        raise UsageError("cannot run that again", f"{command[:80]!a}", hint="a result of a single run is wanted")
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_options(parser)
    arguments = parser.parse_args(words[3:])
    arguments.out, arguments.verify, arguments.preview, arguments.list = [], None, False, False
    return arguments
