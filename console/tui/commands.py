"""The command line behind `:`: words in, one `Command` out, and what the word under way could become. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from console.tui.actions import SCREENS
from console.tui.boardrows import SORTS
from console.tui.focus import AUTOMATIC, INTERVALS_NS
from console.tui.snapshot import Key
from console.tui.stored import JOBS
from console.tui.themes import THEMES
from core.errors import UsageError

_ALIASES: Final = {
    "q": "quit", "exit": "quit", "h": "help", "sym": "symbol", "int": "interval", "sub": "subscribe",
    "unsub": "unsubscribe", "acknowledge": "ack",
}  # fmt: skip
_PLAIN: Final = (
    "quit", "help", "pause", "copy", "shutdown", "run", "check", "cancel", "save", "price", "fetch", "map", "spend",
    "incident", "doctor", *JOBS,
)  # fmt: skip
_WITH_ARGUMENT: Final = ("symbol", "interval", "screen", "sort", "filter", "theme")
_WITH_SUBJECT: Final = ("subscribe", "unsubscribe")
DESK_ACTS: Final = ("pause", "resume", "halt", "release", "flatten", "kill")
"""What can be asked of a desk that trades on paper: all but the last name a strategy or an account."""
ALERT_ACTS: Final = ("ack", "silence", "unsilence")
"""What can be said about alerts: `console.tui.alerts.acts` reads what follows."""
EVERYTHING: Final = "all"
"""The target that means every strategy and account."""
NAMES: Final = tuple(sorted({"export", *_PLAIN, *_WITH_ARGUMENT, *_WITH_SUBJECT, *DESK_ACTS, *ALERT_ACTS}))
_LISTED: Final = 12  # choices that a message names
_NAME: Final = re.compile(r"[A-Z0-9][A-Z0-9._/-]{0,39}")


@attrs.frozen
class Command:
    """What was asked for: one of `NAMES` and its argument, empty where it takes none."""

    name: str
    argument: str = ""


def parse_command(text: str, keys: Sequence[Key]) -> Command:
    """The command in `text`. A number alone is a screen; a symbol alone is put into the right-hand panes.

    Raises:
        UsageError: no such command, a missing argument, or one that makes no sense.
    """
    words = text.strip().split()
    if not words:
        raise UsageError("nothing typed", "a command", hint="try :help")
    name = _ALIASES.get(words[0].lower(), words[0].lower())
    argument = " ".join(words[1:])
    if name == "export":
        return Command(name, text.strip().partition(words[0])[2].strip())
    if name.isdigit() and not argument:
        name, argument = "screen", name
    if name not in NAMES:
        if find_key(text, keys) is None:
            raise UsageError("no such command", _shown(words[0]), hint=f"there are {', '.join(NAMES)}")
        return Command("symbol", text.strip())
    if name in DESK_ACTS and (argument or name not in _PLAIN):
        return _desk_command(name, argument)
    if name in _WITH_SUBJECT:
        return Command(name, " ".join(parse_subject(argument)).strip())
    if name in _WITH_ARGUMENT and name != "filter" and argument not in _choices(name, keys):
        return Command(name, _nearest(name, argument, keys))
    if name in _PLAIN and argument:
        raise UsageError(f"{name} takes nothing more", _shown(argument), hint=f"just :{name}")
    return Command(name, argument)


def _desk_command(name: str, argument: str) -> Command:
    if name == "kill" and argument:
        raise UsageError("kill is about the whole desk", _shown(argument), hint="just :kill; it asks for its name")
    if name != "kill" and len(argument.split()) != 1:
        whose = "an account" if name in ("halt", "release") else "a strategy or an account"
        raise UsageError(f"{name} what", _shown(argument), hint=f"name {whose}, or {EVERYTHING}")
    return Command(name, argument)


def _nearest(name: str, argument: str, keys: Sequence[Key]) -> str:
    if name == "symbol" and find_key(argument, keys) is not None:
        return argument
    found = [choice for choice in _choices(name, keys) if argument and choice.lower().startswith(argument.lower())]
    if len(found) != 1:
        raise UsageError(f"no such {name}", _shown(argument), hint=f"one of {_some(_choices(name, keys))}")
    return found[0]


def _shown(text: str) -> str:
    # What was typed, safe to draw and short enough to be read.
    safe = ascii(text)[1:-1]
    return (f"{safe[:40]} ..." if len(safe) > 40 else safe) or "nothing"


def _some(choices: Sequence[str]) -> str:
    left = len(choices) - _LISTED
    return ", ".join(choices[:_LISTED]) + (f", … {left} more" if left > 0 else "") if choices else "none yet"


def find_key(text: str, keys: Sequence[Key]) -> Key | None:
    """The instrument that `BTCUSD` or `BTCUSD KRAKEN` means: the first of that symbol, or of that venue."""
    words = text.upper().replace("@", " ").split()
    for key in keys:
        if words in ([key[0].upper()], [key[0].upper(), key[1].upper()]):
            return key
    return None


def parse_subject(text: str) -> Key:
    """The symbol and the venue in `BTCUSD`, `BTCUSD KRAKEN` or `btcusd@kraken`; the venue is empty when not given.

    Raises:
        UsageError: it is something else.
    """
    words = text.upper().replace("@", " ").split()
    if len(words) not in (1, 2) or not all(_NAME.fullmatch(word) for word in words):
        shown = _shown(text.strip())
        raise UsageError("not a symbol and a venue", shown, hint="for example BTCUSD or BTCUSD KRAKEN")
    return words[0], words[1] if len(words) == 2 else ""


def complete(
    text: str,
    keys: Sequence[Key],
    venues: Sequence[str] = (),
    targets: Callable[[str], Sequence[str]] = lambda _act: (),
) -> str:
    """`text` with its last word completed as far as one candidate goes; unchanged when there is none.

    `keys` are the instruments on the board, `venues` those that could be subscribed to, `targets` gives what each of
    `DESK_ACTS` and `ALERT_ACTS` can be about.
    """
    head, space, last = text.rpartition(" ")
    if not space:
        candidates = [*NAMES, *(key[0] for key in keys)]
    else:
        name = _ALIASES.get(head.split()[0].lower(), head.split()[0].lower()) if head.split() else ""
        candidates = _choices(name, keys)
        if name in ("symbol", "unsubscribe") and len(head.split()) > 1:
            candidates = [key[1] for key in keys if key[0].upper() == head.split()[1].upper()]
        elif name == "subscribe" and len(head.split()) > 1:
            candidates = list(venues)
        elif name in (*DESK_ACTS, *ALERT_ACTS):
            candidates = list(targets(name)) if len(head.split()) == 1 else []
    found = [one for one in candidates if one.lower().startswith(last.lower())] if last else []
    return f"{head}{space}{found[0]}" if found else text


def _choices(name: str, keys: Sequence[Key]) -> list[str]:
    return {
        **{each: list(dict.fromkeys(key[0] for key in keys)) for each in ("symbol", *_WITH_SUBJECT)},
        "interval": [AUTOMATIC, *INTERVALS_NS],
        "screen": [str(one.number) for one in SCREENS],
        "sort": list(SORTS),
        "theme": list(THEMES),
    }.get(name, [])
