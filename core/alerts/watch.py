"""Rules, who is told, and what becomes history, as one: the same for a live engine and for a rehearsal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from core.alerts import words
from core.alerts.evaluate import Change, Evaluator, Key, LabelNames, Standing
from core.alerts.matching import pattern
from core.alerts.message import Message
from core.alerts.rules import Rule, Severity
from core.alerts.silences import Acknowledged, Silence
from core.alerts.telling import Teller
from core.telemetry.frame import Frame


@attrs.frozen(kw_only=True)
class Event:
    """One line of the history. `state` is firing, resolved, acknowledged or silenced."""

    time_ns: int
    rule: str
    subject: str
    severity: Severity
    state: str
    value: str
    threshold: str
    message: str


@attrs.frozen(kw_only=True)
class Look:
    """What one look brought: `events` for the history, all of them, and `messages` for people, the worst first."""

    time_ns: int
    events: tuple[Event, ...]
    messages: tuple[Message, ...]


class Watch:
    """Watches with `rules` over the frames of `instance`, given in the order of their time."""

    def __init__(self, rules: Sequence[Rule], label_names: LabelNames, *, instance: str) -> None:
        self.rules = tuple(rules)
        self.teller = Teller(rules, label_names, instance=instance)
        self.standings: list[Standing] = []
        self.looked_ns = 0
        self._behind_ns = 0  # by how much the clock was put back since the first look
        self._evaluator = Evaluator(rules, label_names)

    def look(self, frame: Frame) -> Look:
        """Take in one frame. A clock that was put back moves nothing: what lasted goes on to last."""
        self._behind_ns += max(self.looked_ns - frame.time_ns, 0) if self.looked_ns else 0
        now_ns = frame.time_ns + self._behind_ns
        changes = self._evaluator.look(Frame(now_ns, frame.columns))
        self.standings = self._evaluator.standings()
        self.looked_ns = frame.time_ns
        messages = self.teller.tell(self.standings, now_ns, wall_ns=frame.time_ns)
        events = [self._event(change, frame.time_ns) for change in changes]
        return Look(time_ns=frame.time_ns, events=tuple(events), messages=tuple(messages))

    def wall_ns(self, instant_ns: int) -> int:
        """What the clock of now would have shown at an instant of a standing, or of the teller."""
        return instant_ns - self._behind_ns if instant_ns else 0

    def watched(self) -> list[tuple[int, float]]:
        """As `Evaluator.watched`."""
        return self._evaluator.watched()

    def acknowledge(self, rule: str, subject: str, *, by: str, now_ns: int) -> list[Event]:
        """Note that somebody knows of an alert, or of all of a rule when the `subject` is empty; what becomes history
        with it, nothing when no such alert fires that is not acknowledged already."""
        found, wanted = [], pattern(rule)
        for one in self.standings:
            known = self.rules[one.key.rule]
            if not one.firing or one.key in self.teller.acknowledged or not wanted.fullmatch(known.name):
                continue
            if subject in {"", self.subject(one.key)}:
                self.teller.acknowledged[one.key] = Acknowledged(by, now_ns)
                found.append(self._said(one, "acknowledged", f"by {by}", now_ns))
        return found

    def silence(self, silence: Silence, *, now_ns: int) -> list[Event]:
        """What becomes history with a silence that was just added: every alert that it covers now."""
        said = f"by {silence.by}" + (f": {silence.comment}" if silence.comment else "")
        return [
            self._said(one, "silenced", said, now_ns)
            for one in self.standings
            if one.firing and silence.covers(self.rules[one.key.rule].name, self.teller.labels(one.key))
        ]

    def end(self, now_ns: int) -> list[Event]:
        """What becomes history when nobody watches any more: all that fires ends with whoever watched."""
        return [self._said(one, "resolved", "the engine ended", now_ns) for one in self.standings if one.firing]

    def subject(self, key: Key) -> str:
        """What an alert is about, as text."""
        return words.subject_text(self.teller.names(key.rule), key.labels)

    def counts(self) -> dict[str, int]:
        """Alerts that fire by severity, without those of which nobody is told; these as `quiet`; `pending` ones are
        beyond their threshold, and not yet for long enough."""
        found = {severity.value: 0 for severity in sorted(Severity, key=lambda one: -one.rank)}
        found |= {"pending": 0, "quiet": 0}
        for one in self.standings:
            quiet = one.key in self.teller.quiet or one.key in self.teller.acknowledged
            rule = self.rules[one.key.rule]
            found["pending" if not one.firing else "quiet" if quiet else rule.severity.value] += 1
        return found

    def worst(self) -> Iterator[Standing]:
        """Everything beyond its threshold: what people are told of first, then what is pending, then what is quiet,
        each with the worst and oldest first."""

        def order(one: Standing) -> tuple[int, int, int]:
            quiet = one.key in self.teller.quiet or one.key in self.teller.acknowledged
            return (2 if quiet else 0 if one.firing else 1, -self.rules[one.key.rule].severity.rank, one.since_ns)

        yield from sorted(self.standings, key=order)

    def _event(self, change: Change, now_ns: int) -> Event:
        text = self._summary(change.key)
        if change.gone:
            text += ": not measured any more"
        return self._entry(change.key, change.value, "firing" if change.firing else "resolved", text, now_ns)

    def _said(self, one: Standing, state: str, message: str, now_ns: int) -> Event:
        return self._entry(one.key, one.value, state, message, now_ns)

    def _summary(self, key: Key) -> str:
        return words.summary_text(self.rules[key.rule], self.teller.names(key.rule), key.labels)

    def _entry(self, key: Key, value: float, state: str, message: str, now_ns: int) -> Event:
        rule = self.rules[key.rule]
        return Event(
            time_ns=now_ns,
            rule=rule.name,
            subject=self.subject(key),
            severity=rule.severity,
            state=state,
            value=words.value_text(rule, value),
            threshold=words.condition_text(rule),
            message=message,
        )
