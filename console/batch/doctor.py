"""`doctor`: look at this machine, the settings and the servers, and say what is wrong and what to do about it."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from console.batch import output
from console.batch.settings_options import add_settings_options
from core.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from console.doctor.finding import Finding
    from console.doctor.leftovers import LeftOver
    from console.doctor.permissions import WrongMode
    from console.doctor.place import Place

NAME = "doctor"
HELP = "look at this machine and the settings: what is wrong, and what to do"
_SHOWN: Final = 20


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--only", action="append", metavar="NAME,...", help="only these checks")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument(
        "--fix", action="store_true", help="remove what killed engines left, take rights away that others have"
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    parser.add_argument("-v", "--verbose", action="store_true", help="with the versions of all packages")
    add_settings_options(parser)
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings. 0 when there is no error; 3 for one of this machine or the settings, else 6 for a key and
    7 for a server."""
    from console.doctor.checks import CHECKS, chosen
    from console.doctor.place import find_place
    from console.doctor.running import run_checks
    from console.doctor.showing import exit_code

    if arguments.list:
        rows = [{"check": check.name, "title": check.title} for check in CHECKS]
        output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
        return 0
    if arguments.yes and not arguments.fix:
        raise UsageError("nothing to be agreed to", "--yes", hint="it is for --fix")
    names = [name.strip() for text in arguments.only or () for name in text.split(",") if name.strip()]
    checks = chosen(names, everything=arguments.verbose)
    place = find_place(arguments.config, assigned=arguments.assigned)
    if arguments.fix:
        _fix(arguments, place)
    findings = run_checks(checks, place, finished=_Progress(len(checks), form=arguments.format))
    write_findings(findings, form=arguments.format)
    return exit_code(findings)


def write_findings(findings: Sequence[Finding], *, form: str) -> None:
    """Print them: as lines for people, or as rows for programs."""
    import os

    from console.doctor.showing import lines, row, summary

    if form != "table":
        envelope = {"schema_version": 1, "summary": summary(findings)}
        output.write_rows([row(finding) for finding in findings], form=form, envelope=envelope)
        return
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    shown = lines(
        findings,
        width=shutil.get_terminal_size().columns,
        coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb",
        ascii_only=encoding != "utf8" or os.environ.get("TERM") == "linux",
    )
    with output.writing():
        sys.stdout.write("\n".join(shown) + "\n")


class _Progress:
    # One line on stderr that replaces itself, where somebody looks at it.
    def __init__(self, total: int, *, form: str) -> None:
        self._total, self._shown = total, form == "table" and sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        if self._shown:
            text = "" if done >= self._total else f"looking: {done} of {self._total}"
            sys.stderr.write(f"\r{text:<30}\r" if not text else f"\r{text:<30}")
            sys.stderr.flush()


def _fix(arguments: argparse.Namespace, place: Place) -> None:
    from console.doctor.leftovers import find_leftovers, remove
    from console.doctor.permissions import mend_modes, survey

    left, (wrong, _foreign, _seen) = find_leftovers(place), survey(place)
    if not left and not wrong:
        output.talk("there is nothing to mend")
        return
    said = _said(left, wrong)
    if not arguments.yes:
        _ask(arguments, said)
    output.talk(*remove(place, left), *mend_modes(wrong))


def _said(left: list[LeftOver], wrong: list[WrongMode]) -> list[str]:
    said = [f"remove {one}" for one in left]
    said += [f"chmod {one.right:04o} {one.path} (now {one.mode:04o})" for one in wrong]
    more = [f"and {len(said) - _SHOWN} more"] if len(said) > _SHOWN else []
    return said[:_SHOWN] + more


def _ask(arguments: argparse.Namespace, said: list[str]) -> None:
    if arguments.batch or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise RefusedError("nobody agreed", f"would {'; '.join(said)}", hint="add --yes to do it")
    output.talk("would:", *(f"  {line}" for line in said))
    sys.stderr.write("type yes to do it: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise RefusedError("nobody agreed", "nothing was changed")
