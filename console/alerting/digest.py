"""What of many messages is told in one: how many, of which rules and how bad, and the worst of them by name. Pure,
and of bounded size whatever it is given."""

from __future__ import annotations

from typing import Final

import attrs

from console.alerting.handlers.wording import clock_time, plain, word
from core.alerts.message import Kind, Message
from core.alerts.rules import Severity

NAMED: Final = 12
"""Messages that a digest names."""
RULES_COUNTED: Final = 32
"""Rules that are counted each for itself; what is of others is counted together."""
RULES_NAMED: Final = 8
_OTHERS: Final = "others"


def is_urgent(message: Message) -> bool:
    """Whether it tells of something critical that is so now."""
    return message.severity is Severity.CRITICAL and message.kind not in {Kind.RESOLVED, Kind.TEST}


@attrs.define
class Tally:
    """Messages that were put together: `messages` of them, about `things` alerts."""

    messages: int = 0
    things: int = 0
    urgent: int = 0
    _over: int = 0
    _oldest_ns: int = 0
    _severities: dict[Severity, int] = attrs.Factory(dict)
    _rules: dict[str, int] = attrs.Factory(dict)
    _worst: list[Message] = attrs.Factory(list)

    def add(self, message: Message) -> None:
        """Count one."""
        things = max(message.count, 1)
        self.messages += 1
        self.things += things
        self.urgent += is_urgent(message)
        if message.kind is Kind.RESOLVED:
            self._over += things
        else:
            self._severities[message.severity] = self._severities.get(message.severity, 0) + things
        self._oldest_ns = min(self._oldest_ns or message.time_ns, message.time_ns)
        self._count_rule(plain(message.rule, 60) or _OTHERS, things)
        self._name([message])

    def absorb(self, other: Tally) -> None:
        """Count all of another one, which came later; it must not be used afterwards."""
        self.messages += other.messages
        self.things += other.things
        self.urgent += other.urgent
        self._over += other._over
        for severity, things in other._severities.items():
            self._severities[severity] = self._severities.get(severity, 0) + things
        for rule, things in other._rules.items():
            self._count_rule(rule, things)
        self._oldest_ns = min((one for one in (self._oldest_ns, other._oldest_ns) if one), default=0)
        self._name(other._worst)

    def told(self, now_ns: int) -> Message:
        """All of it in one message; a single one as it came."""
        assert self.messages
        if self.messages == 1:
            return self._worst[0]
        rules = [rule for rule in self._rules if rule != _OTHERS]
        only = rules[0] if len(self._rules) == len(rules) == 1 else ""
        return Message(
            kind=Kind.DIGEST,
            severity=max(self._severities, key=lambda one: one.rank, default=Severity.INFO),
            instance=self._worst[0].instance,
            rule=only,
            title=f"{self.things:,} alerts: {self._how_bad()}",
            lines=self._lines(),
            runbook=self._worst[0].runbook if only else "",
            count=self.things,
            time_ns=now_ns,
        )

    def _how_bad(self) -> str:
        bad = sorted(self._severities.items(), key=lambda one: -one[0].rank)
        parts = [f"{things:,} {severity}" for severity, things in bad]
        return ", ".join([*parts, *([f"{self._over:,} resolved"] if self._over else [])])

    def _lines(self) -> tuple[str, ...]:
        most = sorted(self._rules.items(), key=lambda one: -one[1])
        named = ", ".join(f"{rule} {things:,}" for rule, things in most[:RULES_NAMED])
        rest = sum(things for _, things in most[RULES_NAMED:])
        more = f", of {len(most) - RULES_NAMED} more rules {rest:,}" if rest else ""
        worst = [f"{word(one)} {plain(one.title, 200)}" for one in self._worst]
        left = self.messages - len(worst)
        return (
            f"since {clock_time(self._oldest_ns)}, by rule: {named}{more}",
            *worst,
            *([f"and {left:,} more messages"] if left else []),
        )

    def _count_rule(self, rule: str, things: int) -> None:
        if rule not in self._rules and len(self._rules) >= RULES_COUNTED:
            rule = _OTHERS
        self._rules[rule] = self._rules.get(rule, 0) + things

    def _name(self, messages: list[Message]) -> None:
        # Of those that are equally bad the first stand first, as what came of it stands behind.
        self._worst = sorted([*self._worst, *messages], key=_badness, reverse=True)[:NAMED]


def _badness(message: Message) -> int:
    return -1 if message.kind is Kind.RESOLVED else message.severity.rank
