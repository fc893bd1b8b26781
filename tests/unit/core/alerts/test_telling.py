"""Who is told of what fires, and how often."""

from __future__ import annotations

import pytest

from core.alerts.evaluate import Key, Standing
from core.alerts.message import Kind, Message
from core.alerts.rules import Rule, Severity
from core.alerts.silences import Acknowledged
from core.alerts.telling import Teller
from tests.unit.core.alerts.worlds import NAMES, at, rule

BTC, ETH, DOGE = ("KRAKEN", "BTCUSD"), ("KRAKEN", "ETHUSD"), ("BINANCE", "DOGEUSD")


class Town:
    """A teller and what fires, by rule and labels."""

    def __init__(self, *rules: Rule) -> None:
        self.teller = Teller(rules, NAMES, instance="alpha")
        self.standings: dict[Key, Standing] = {}

    def fire(self, number: int, *labels: tuple[str, ...], value: float = 11, firing: bool = True) -> None:
        """Let a rule fire, or stand beyond its threshold."""
        for one in labels:
            self.standings[Key(number, one)] = Standing(Key(number, one), value, at(0), firing)

    def end(self, number: int, *labels: tuple[str, ...]) -> None:
        """Let it end."""
        for one in labels:
            del self.standings[Key(number, one)]

    def told(self, second: float) -> list[tuple[str, str, int]]:
        """What people hear now: kind, rule and how many."""
        return [(one.kind.value, one.rule, one.count) for one in self.messages(second)]

    def messages(self, second: float) -> list[Message]:
        """What people hear now."""
        return self.teller.tell(list(self.standings.values()), at(second), wall_ns=at(second))


def test_it_is_told_once_and_its_end_too() -> None:
    """What fires is told at once and not again while the cooldown lasts; that it is over, once it stayed so."""
    town = Town(rule(cooldown_s=300))
    assert town.told(0) == []
    town.fire(0, BTC)
    assert town.told(1) == [("firing", "hot", 1)]
    assert town.told(31) == []
    town.end(0, BTC)
    assert [town.told(second) for second in (61, 91, 360)] == [[], [], []]
    assert town.told(361) == [("resolved", "hot", 1)]
    assert town.told(391) == []


def test_the_cooldown_doubles_to_its_most() -> None:
    """What goes on firing is told again after 5, 10, 20 minutes, and then as seldom as the rule allows."""
    town = Town(rule(cooldown_s=300, max_cooldown_s=1500))
    town.fire(0, BTC)
    heard = [second for second in range(0, 6001, 30) if town.told(second)]
    assert heard == [0, 300, 900, 2100, 3600, 5100]
    assert town.messages(6600)[0].title.startswith("still: ")


def test_what_flaps_is_one_alert() -> None:
    """What ends and begins again within the cooldown is told as seldom as what goes on, and never as over."""
    town = Town(rule(cooldown_s=300))
    heard = []
    for second in range(0, 2000, 30):
        if second % 60 == 0:
            town.fire(0, BTC)
        else:
            town.end(0, BTC)
        heard += [(second, kind) for kind, _, _ in town.told(second)]
    assert heard == [(0, "firing"), (300, "repeated"), (900, "repeated")]


def test_what_fires_after_it_was_over_is_told_at_once() -> None:
    """However long it had fired before: nobody is left to think that it is over."""
    town = Town(rule(cooldown_s=300))
    town.fire(0, BTC)
    for second in range(0, 6 * 3600, 30):
        town.told(second)
    town.end(0, BTC)
    ended = [second for second in range(6 * 3600, 7 * 3600, 30) if town.told(second)]
    assert ended == [6 * 3600 + 300]
    town.fire(0, BTC)
    assert town.told(7 * 3600) == [("firing", "hot", 1)]


def test_what_joins_a_group_is_told_sooner_than_what_is_known() -> None:
    """After the short cooldown, however long that of the group has grown."""
    town = Town(rule(cooldown_s=300, group_by=("venue",)))
    town.fire(0, BTC)
    for second in range(0, 4000, 30):
        town.told(second)
    assert town.told(4290) == []
    town.fire(0, ETH)
    assert town.told(4291) == [("repeated", "hot", 2)]
    assert town.told(4591) == []


def test_a_group_is_one_message() -> None:
    """What fires together for one venue is told as one, with how many there are, the worst first."""
    town = Town(rule(group_by=("venue",), summary="{symbol} on {venue} is hot"))
    town.fire(0, BTC, value=20)
    town.fire(0, ETH, value=30)
    town.fire(0, DOGE, value=40)
    two, one = sorted(town.messages(0), key=lambda message: -message.count)
    assert (two.title, two.count) == ("several on KRAKEN is hot (2)", 2)
    assert two.lines == ("symbol=ETHUSD venue=KRAKEN: 30 (> 10)", "symbol=BTCUSD venue=KRAKEN: 20 (> 10)")
    assert (one.title, one.count) == ("DOGEUSD on BINANCE is hot", 1)
    town.end(0, ETH)
    assert town.told(30) == []
    town.end(0, BTC)
    assert town.told(60) == []
    assert ("resolved", "hot", 1) in town.told(360)


def test_many_are_counted_and_some_named() -> None:
    """A message of thousands is a dozen lines."""
    town = Town(rule(group_by=()))
    town.fire(0, *(("KRAKEN", f"S{number}") for number in range(5000)))
    (message,) = town.messages(0)
    assert (message.count, len(message.lines), message.lines[-1]) == (5000, 12, "and 4,989 more")


def parent_and_child() -> Town:
    """A rule about venues and one about their symbols, silent while the first fires."""
    return Town(rule(name="down", metric="up", severity=Severity.CRITICAL), rule(name="stale", parents=("down",)))


def test_a_parent_silences_its_children_alone() -> None:
    """Symbols of the venue that is down are quiet, those of another are told."""
    town = parent_and_child()
    town.fire(0, ("KRAKEN",))
    town.fire(1, BTC, ETH, DOGE)
    assert sorted(town.told(0)) == [("firing", "down", 1), ("firing", "stale", 1)]
    assert {key.labels: quiet.reason for key, quiet in town.teller.quiet.items()} == {
        BTC: "inhibited",
        ETH: "inhibited",
    }


def test_a_parent_that_is_about_to_fire_is_enough() -> None:
    """A child that is quicker than its parent is not told a moment before it."""
    town = parent_and_child()
    town.fire(0, ("KRAKEN",), firing=False)
    town.fire(1, BTC)
    assert town.told(0) == []


def test_a_parent_that_never_fires_hides_nothing() -> None:
    """One that is beyond its threshold at every second look and never for long enough holds its children once."""
    town = Town(
        rule(name="down", metric="up", severity=Severity.CRITICAL, for_s=30), rule(name="stale", parents=("down",))
    )
    town.fire(1, BTC)
    heard = []
    for second in range(0, 300, 30):
        if second % 60 == 0:
            town.fire(0, ("KRAKEN",), firing=False)
        else:
            town.end(0, ("KRAKEN",))
        heard += [(second, *one[:2]) for one in town.told(second)]
    assert heard == [(90, "firing", "stale")]


def test_those_who_take_turns_in_a_group_are_told_no_more_often() -> None:
    """Who joined is known from then on."""
    town = Town(rule(cooldown_s=300, group_by=("venue",)))
    heard = []
    for second in range(0, 7200, 30):
        town.standings.clear()
        town.fire(0, BTC if second // 30 % 2 else ETH)
        heard += [second for _ in town.told(second)]
    assert heard == [0, 300, 630, 1830, 4230]


def test_children_get_time_to_get_well() -> None:
    """After the end of a parent what it kept silent is told only if it lasts."""
    town = parent_and_child()
    town.fire(0, ("KRAKEN",))
    town.fire(1, BTC)
    town.told(0)
    town.end(0, ("KRAKEN",))
    assert town.told(30) == []
    assert town.told(60) == [("firing", "stale", 1)]
    assert town.told(330) == [("resolved", "down", 1)]


def test_what_is_acknowledged_is_not_repeated() -> None:
    """Until it ends, which is told; then it is told anew."""
    town = Town(rule(cooldown_s=60))
    town.fire(0, BTC)
    town.told(0)
    town.teller.acknowledged[Key(0, BTC)] = Acknowledged("ada", at(1))
    assert town.told(600) == []
    town.end(0, BTC)
    assert town.told(630) == []
    assert town.told(690) == [("resolved", "hot", 1)]
    town.fire(0, BTC)
    assert town.told(10_000) == [("firing", "hot", 1)]


def test_a_silence_ends_by_itself() -> None:
    """While it lasts nobody is told of what it covers; afterwards what still fires is told."""
    town = Town(rule())
    town.teller.silences.add("h*", [("symbol", "BTC*")], until_ns=at(100), by="ada")
    town.fire(0, BTC, ETH)
    assert [one.lines for one in town.messages(0)] == [("symbol=ETHUSD venue=KRAKEN: 11 (> 10)",)]
    assert town.teller.quiet[Key(0, BTC)].until_ns == at(100)
    assert [one.lines for one in town.messages(101)] == [("symbol=BTCUSD venue=KRAKEN: 11 (> 10)",)]


def test_the_end_of_what_was_silenced_is_silent() -> None:
    """Nobody hears that something is over while it is silenced, nor that which nobody heard of."""
    town = Town(rule())
    town.fire(0, BTC)
    town.told(0)
    town.teller.silences.add("*", [], until_ns=at(100))
    town.end(0, BTC)
    assert town.told(30) == []
    town.fire(0, ETH)
    assert town.told(60) == []
    town.end(0, ETH)
    assert town.told(200) == []


def test_the_worst_is_told_first() -> None:
    """Whatever order the rules are in."""
    town = Town(rule(name="note", severity=Severity.INFO), rule(name="worst", severity=Severity.CRITICAL), rule())
    for number in range(3):
        town.fire(number, BTC)
    assert [one.rule for one in town.messages(0)] == ["worst", "hot", "note"]


@pytest.mark.parametrize("kind", [Kind.FIRING, Kind.RESOLVED])
def test_what_a_venue_called_itself_is_harmless(kind: Kind) -> None:
    """Control characters in a label do not reach anybody."""
    town = Town(rule(summary="{symbol} is hot"))
    town.fire(0, ("KRAKEN", "BTC\x1b[2J\nUSD"))
    (message,) = town.messages(0)
    if kind is Kind.RESOLVED:
        town.standings.clear()
        town.messages(30)
        (message,) = town.messages(330)
    assert all(text.isprintable() for text in (message.title, *message.lines))
    assert "BTC?[2J?USD" in message.title
