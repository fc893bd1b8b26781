"""Who is to hear of alerts, as plain values, and what is wrong with the settings that say so.

Loads nothing heavy: `config check` and an engine's parent process use it, the latter to hand it to a child as JSON.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from console.alerting.handlers.addresses import mail_problem, topic_problem, web_problem
from core.alerts.rules import Severity
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from config.operations import AlertingSettings, HandlerSettings

_BUILT_IN: Final = ("log", "screen")
"""Kinds that always hear."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:-]+")
_HEADER_TOKEN: Final = re.compile(r"[!-~]+")
_CHAT: Final = re.compile(r"-?\d{1,20}|@[A-Za-z0-9_]{1,64}")
_MAILBOX: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


@attrs.frozen(kw_only=True)
class HandlerPlan:
    """One who hears of alerts: of those of `min_severity` or worse, by a rule that one of the patterns `rules` fits
    (all when there is none). What `url`, `token`, `to`, `sender` and `command` are depends on the kind."""

    kind: str
    name: str
    min_severity: Severity = Severity.INFO
    rules: tuple[str, ...] = ()
    url: str = attrs.field(default="", repr=False)
    token: str = attrs.field(default="", repr=False)
    to: tuple[str, ...] = ()
    sender: str = ""
    command: tuple[str, ...] = ()
    timeout_s: float = 10.0
    attempts: int = 3
    max_per_minute: int = 5


def handler_plans(settings: AlertingSettings) -> tuple[HandlerPlan, ...]:
    """All who hear: those of the settings that are enabled, and a `log` and a `screen` where the settings have none
    of that kind, not even one that is disabled.

    Raises:
        ConfigurationError: one lacks what its kind needs; all that is wrong is said.
    """
    if problems := handler_problems(settings):
        raise ConfigurationError("alert handlers", "; ".join(problems))
    kinds = {handler.kind for handler in settings.handlers.values()}
    built_in = [
        HandlerPlan(kind=kind, name=_free_name(kind, settings.handlers)) for kind in _BUILT_IN if kind not in kinds
    ]
    return (*built_in, *(_plan(name, one) for name, one in settings.handlers.items() if one.enabled))


def handler_problems(settings: AlertingSettings) -> list[str]:
    """Everything that is wrong with those who are enabled, each with the name of its setting and without secrets."""
    problems = []
    for name, handler in settings.handlers.items():
        if not handler.enabled:
            continue
        if not _NAME.fullmatch(name):
            problems.append(f"alerting.handlers: {ascii(name)[:70]} is no name: use letters, digits and _ . -")
            continue
        place = f"alerting.handlers.{name}"
        check = _CHECKS.get(handler.kind)
        if check is not None:
            problems += [f"{place}.{field}: {problem}" for field, problem in check(handler)]
    return problems


def _plan(name: str, handler: HandlerSettings) -> HandlerPlan:
    return HandlerPlan(
        kind=handler.kind,
        name=name,
        min_severity=Severity(handler.min_severity or Severity.INFO),
        rules=handler.rules,
        url=handler.url,
        token=handler.token,
        to=handler.to,
        sender=handler.sender,
        command=handler.command,
        timeout_s=handler.timeout_secs,
        attempts=handler.attempts,
        max_per_minute=handler.max_per_minute,
    )


def _free_name(kind: str, taken: Mapping[str, object]) -> str:
    names = (kind, f"built-in-{kind}", *(f"built-in-{kind}-{number}" for number in range(2, 2 + len(taken))))
    return next(name for name in names if name not in taken)


Problems = Iterator[tuple[str, str]]


def _address(handler: HandlerSettings, what: str, find: Callable[[str], str]) -> Problems:
    if not handler.url:
        yield "url", f"{handler.kind} needs {what}"
    elif problem := find(handler.url):
        yield "url", problem


def _bearer(handler: HandlerSettings) -> Problems:
    if handler.token and not _HEADER_TOKEN.fullmatch(handler.token):
        yield "token", "has characters that no token has"


def _webhook(handler: HandlerSettings) -> Problems:
    yield from _address(handler, "the address that it posts to", web_problem)
    yield from _bearer(handler)


def _slack(handler: HandlerSettings) -> Problems:
    yield from _address(handler, "the address of an incoming webhook", web_problem)


def _ntfy(handler: HandlerSettings) -> Problems:
    yield from _address(handler, "the address of a topic, as https://ntfy.sh/TOPIC", topic_problem)
    yield from _bearer(handler)


def _telegram(handler: HandlerSettings) -> Problems:
    if not handler.token:
        yield "token", "telegram needs the token of a bot"
    elif not _TOKEN.fullmatch(handler.token):
        yield "token", "has characters that no token of a bot has"
    if not handler.to:
        yield "to", "telegram needs the chats that it writes to"
    elif not all(_CHAT.fullmatch(chat) for chat in handler.to):
        yield "to", "must be numbers of chats, or names of channels as @NAME"
    if handler.url and (problem := web_problem(handler.url)):
        yield "url", problem


def _email(handler: HandlerSettings) -> Problems:
    yield from _address(handler, "a mail server, as smtp://USER:PASSWORD@HOST:587", mail_problem)
    if not handler.to:
        yield "to", "email needs the addresses that it writes to"
    elif not all(_MAILBOX.fullmatch(one) for one in handler.to):
        yield "to", "must be addresses as NAME@HOST"
    if not handler.sender:
        yield "sender", "email needs the address that it is from"
    elif not _MAILBOX.fullmatch(handler.sender):
        yield "sender", "must be an address as NAME@HOST"


def _exec(handler: HandlerSettings) -> Problems:
    if not handler.command:
        yield "command", "exec needs a program"
        return
    program = Path(handler.command[0])
    shown = ascii(handler.command[0])[1:-1][:120]
    if not program.is_absolute():
        yield "command", f"{shown} must be the full path of a program"
    elif not _is_file(program):
        yield "command", f"there is no file {shown}"
    elif not os.access(program, os.X_OK):
        yield "command", f"{shown} is not executable (chmod +x it)"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder on the way that may not be entered
        return False


_CHECKS: Final[Mapping[str, Callable[[HandlerSettings], Problems]]] = {
    "webhook": _webhook,
    "slack": _slack,
    "telegram": _telegram,
    "ntfy": _ntfy,
    "email": _email,
    "exec": _exec,
}
