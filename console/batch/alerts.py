"""`alerts`: what fires and what would; what people say to it; whether those who should hear of it do."""

from __future__ import annotations

import argparse
from typing import Final

from console.batch import output
from console.batch.settings_options import add_settings_options
from console.batch.times import TIMES_OR_AGO
from core.durations import DURATIONS

NAME = "alerts"
HELP = "what fires, what fired, and who hears of it"

_SHOWN: Final = {
    "list": "the rules and what fires now; the rules alone when no engine runs",
    "history": "what fired, ended, was acknowledged and silenced, the newest first",
    "silences": "what nobody is told of, and until when",
    "sessions": "the sessions whose figures are kept for rehearsals",
    "rehearse": "what the rules of the settings would have made of a recorded session",
}
_DONE: Final = {
    "ack": "say that you know of an alert: it is not told again until it ended",
    "silence": "let nobody hear of some alerts for a while",
    "unsilence": "end a silence before its time",
    "test": "send a message to each who should hear of alerts",
}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options and the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (_SHOWN | _DONE).items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        _OPTIONS[name](action)
        add_settings_options(action)
        output.add_format_options(action)


def run(arguments: argparse.Namespace) -> int:
    """Show, or do what was chosen; its exit code."""
    if arguments.action in _SHOWN:
        from console.batch import alerts_shown

        return alerts_shown.run(arguments)
    from console.batch import alerts_acts

    return alerts_acts.run(arguments)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--instance", default="", metavar="NAME", help="which engine (default: the only one)")


def _add_nothing(_parser: argparse.ArgumentParser) -> None:
    pass


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rule", metavar="NAME", help="of one rule alone")
    parser.add_argument("--since", metavar="TIME", help=f"not before: {TIMES_OR_AGO}")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="how many lines (default: 100)")


def _add_rehearsal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--session", default="latest", metavar="NAME", help="which one, or an instance (default: latest)"
    )
    parser.add_argument("--rule", default="*", metavar="PATTERN", help="of these rules alone")
    parser.add_argument("--events", action="store_true", help="print each firing and its end, not a line a rule")


def _add_alert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", help="name of the rule")
    parser.add_argument("subject", nargs="?", default="", help="which alert of it, as list prints it (default: all)")
    _add_engine(parser)


def _add_silence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", help="name of the rule; * stands for anything")
    parser.add_argument("--for", dest="lasting", default="1h", metavar="TIME", help=f"{DURATIONS} (default: 1h)")
    parser.add_argument(
        "--match",
        action="append",
        default=[],
        metavar="LABEL=PATTERN",
        help="only where a label is so; may be repeated",
    )
    parser.add_argument("--comment", default="", metavar="TEXT", help="why, for the others")


def _add_number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=int, help="number of the silence")


_OPTIONS: Final = {
    "list": _add_engine,
    "history": _add_history,
    "silences": _add_nothing,
    "sessions": _add_nothing,
    "rehearse": _add_rehearsal,
    "ack": _add_alert,
    "silence": _add_silence,
    "unsilence": _add_number,
    "test": _add_nothing,
}
