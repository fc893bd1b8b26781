"""What the keys of the Alerts screen do, and the commands that reach the engine's alerts from anywhere.

None of them asks for a name: what is acknowledged or silenced still fires, stands on the screen and in the history,
and a silence ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from console.tui.alerts.asking import (
    DEFAULT,
    parse_how_long,
    parse_number,
    parse_silence,
)
from console.tui.alerts.document import (
    PENDING,
    Alert,
    Event,
    Rule,
    Silence,
    Target,
    copy_alert,
    copy_event,
    copy_rule,
)
from console.tui.alerts.words import duration_text, time_text
from console.tui.answers import Raw, read_count
from console.tui.changes import is_changeable
from console.tui.engine_link import Request
from console.tui.text import clean
from core.clock import NS_PER_S, monotonic_ns, wall_ns

if TYPE_CHECKING:
    from console.tui.app import RingsideApp

PAGE: Final = 3
_SHOWN: Final = 48  # characters of what is silenced that a question shows
_CHOOSE: Final = "choose an alert or a rule first; tab leads to the lists"


def names(app: RingsideApp, act: str) -> list[str]:
    """What a command can be about: the names of rules, or the numbers of silences."""
    alerts = app.link.alerts.alerts
    if alerts is None:
        return []
    if act == "unsilence":
        return [str(one.number) for one in alerts.silences]
    return [one.name for one in alerts.rules]


def obey(app: RingsideApp, act: str, text: str) -> None:
    """Do what was typed as `:ack`, `:silence` or `:unsilence`; without anything more what the key does.

    Raises:
        UsageError: it makes no sense.
    """
    if not text:
        {"ack": _acknowledge, "silence": _silence, "unsilence": _unsilence}[act](app)
    elif act == "ack":
        words = text.split()
        _send_acknowledge(app, words[0], " ".join(words[1:]))
    elif act == "silence":
        asked = parse_silence(text, now_ns=wall_ns())
        _send_silence(app, asked.target, asked.for_s, asked.comment)
    else:
        _send_unsilence(app, parse_number(text))


def tell(app: RingsideApp) -> None:
    """Say what is new of alerts in the place of the key line, and ring where somebody should look up."""
    status = None if app.snapshot is None else app.snapshot.status
    state = None if status is None else status.alerts
    now_ns = monotonic_ns()
    app.messages.take(state)
    said = app.messages.say(now_ns=now_ns, glyphs=app.look.glyphs, busy=app.saying or app.prompt.open)
    if said:
        app.say(said)
    if app.messages.rings(state, now_ns=now_ns):
        app.bell()


def hear_how_long(app: RingsideApp, text: str) -> None:
    """Take how long a silence lasts, and ask why.

    Raises:
        UsageError: it is no time.
    """
    pane = app.panes.alerts
    asked, pane.asked = pane.asked, None
    if asked is None:
        return
    for_s = parse_how_long(text.strip() or DEFAULT, now_ns=wall_ns())
    pane.asked = (asked[0], for_s)
    app.panes.keys.display = False
    app.prompt.ask("reason", question="why, for others to read (enter: nothing to say):")


def hear_why(app: RingsideApp, text: str) -> None:
    """Take why, and silence."""
    asked, app.panes.alerts.asked = app.panes.alerts.asked, None
    if asked is not None:
        _send_silence(app, asked[0], asked[1], text.strip())


def copied(app: RingsideApp) -> tuple[str, str] | None:
    """The text of what is under the cursor for other programs, and what it is called."""
    entry = app.panes.alerts.entry
    if isinstance(entry, Alert):
        return copy_alert(entry), f"the alert {entry.rule}"
    if isinstance(entry, Rule):
        return copy_rule(entry), f"the rule {entry.name}"
    return (copy_event(entry), f"that line about {entry.rule}") if isinstance(entry, Event) else None


def target_of(alert: Alert) -> Target:
    """What silences one alert and nothing else."""
    return Target(rule=alert.id[0], match=alert.labels)


# -- what the keys do ------------------------------------------------------------------------------------------------


def _acknowledge(app: RingsideApp) -> None:
    if not _in_sight(app):
        return
    entry = app.panes.alerts.entry
    if isinstance(entry, Alert) and entry.quiet == "acknowledged":
        app.say(
            f"{entry.rule} {entry.subject} is acknowledged already{f', by {entry.quiet_by}' * bool(entry.quiet_by)}"
        )
    elif isinstance(entry, Alert) and entry.standing == PENDING:
        app.say(f"{entry.rule} {entry.subject} does not fire yet: there is nothing to acknowledge")
    elif isinstance(entry, Alert):
        app.panes.alerts.leave(entry.id)
        _send_acknowledge(app, *entry.id)
    elif isinstance(entry, Rule) and entry.firing:
        _send_acknowledge(app, entry.name, "")
    elif isinstance(entry, Rule):
        app.say(f"{entry.name} does not fire: there is nothing to acknowledge")
    else:
        app.say("nothing fires that could be acknowledged" if app.panes.alerts.place.focus == "alerts" else _CHOOSE)


def _silence(app: RingsideApp) -> None:
    if not _in_sight(app) or not is_changeable(app):
        return
    entry = app.panes.alerts.entry
    if not isinstance(entry, Alert | Rule):
        app.say(_CHOOSE)
        return
    target = target_of(entry) if isinstance(entry, Alert) else Target(rule=entry.name)
    app.panes.alerts.asked = (target, 0.0)
    app.panes.keys.display = False
    shown = clean(str(target), limit=max(min(_SHOWN, app.size.width - 34), 12))
    app.prompt.ask("silence", text=DEFAULT, question=f"silence {shown} (2h, until 07:00):")


def _unsilence(app: RingsideApp) -> None:
    if not _in_sight(app):
        return
    pane = app.panes.alerts
    entry = pane.entry
    if isinstance(entry, Silence):
        _send_unsilence(app, entry.number)
    elif pane.alerts.silences:
        pane.focus_on("silences")
        app.say("choose the silence that ends, then Z")
    else:
        app.say("nothing is silenced")


def _in_sight(app: RingsideApp) -> bool:
    # From the palette they may be asked for anywhere; what they are about must be seen.
    if app.page == PAGE and not app.panes.help.display:
        return True
    app.show_page(PAGE)
    return False


# -- what the engine is asked ----------------------------------------------------------------------------------------


def _send(app: RingsideApp, operation: str, arguments: Mapping[str, Any], told: Callable[[Raw], str]) -> None:
    if is_changeable(app):
        app.link.send(Request(operation, tuple(arguments.items()), told))


def _send_acknowledge(app: RingsideApp, rule: str, subject: str) -> None:
    name = clean(f"{rule} {subject}".strip())

    def told(answer: Raw) -> str:
        count = read_count(answer, "acknowledged")
        if not count:
            return f"{name}: nothing of it fires that was not acknowledged"
        return f"acknowledged {name}{f' ({count} alerts)' if count > 1 else ''}: nobody is told until it fires again"

    _send(app, "acknowledge", {"rule": rule, "subject": subject}, told)


def _send_silence(app: RingsideApp, target: Target, for_s: float, comment: str) -> None:
    def told(answer: Raw) -> str:
        until_ns = read_count(answer, "until_ns") or wall_ns() + round(for_s * NS_PER_S)
        until = time_text(until_ns, now_ns=wall_ns(), seconds=False)
        number = read_count(answer, "number")
        named = f" (#{number})" if number else ""
        return f"silenced {target} until {until}, {duration_text(round(for_s * NS_PER_S))}{named}"

    arguments = {"rule": target.rule, "match": dict(target.match_by_name), "for_s": for_s, "comment": comment}
    _send(app, "silence", arguments, told)


def _send_unsilence(app: RingsideApp, number: int) -> None:
    _send(app, "unsilence", {"number": number}, lambda _answer: f"silence #{number} has ended")


ALERT_KEYS: Final[dict[str, Callable[[RingsideApp], None]]] = {
    "acknowledge": _acknowledge,
    "silence": _silence,
    "unsilence": _unsilence,
}
"""What to do for each act of that screen alone."""
