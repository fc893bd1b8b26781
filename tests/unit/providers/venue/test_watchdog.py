"""What the watchdog says, case by case, and in which words."""

from __future__ import annotations

import random
import re

import pytest

from providers.base import BookState
from providers.connection import ConnectionStatus
from providers.venue.habit import Habit
from providers.venue.watchdog import Health
from tests.unit.providers.venue.watched import Watched, arrivals

S = 10**9


def busy(*symbols: str, seconds: int = 60) -> Watched:
    """A venue on which every symbol has traded once a second."""
    venue = Watched(*symbols)
    venue.seconds(seconds, dict.fromkeys(symbols, 1))
    return venue


def test_a_symbol_that_moves_is_live_and_without_words() -> None:
    """Live needs no reason; a symbol of which nothing came yet is quiet, and says so."""
    venue = Watched("A", "B")
    venue.seconds(3, {"A": 1})
    assert (venue.health("A"), venue.reason("A")) == (Health.LIVE, "")
    assert (venue.health("B"), venue.reason("B")) == (Health.QUIET, "nothing yet for 2.0 s; 1 other symbol is live")
    venue.second({"B": 1})
    assert venue.health("B") is Health.LIVE


def test_a_silent_symbol_among_live_ones_is_stale() -> None:
    """What usually trades every second and has not for a while, beside others that do, is stale, in these words."""
    venue = busy("A", "B", "C")
    venue.seconds(42, {"B": 1, "C": 1})
    assert venue.said["A"].health is Health.STALE
    words = r"nothing for 4\d s; usually every second; 2 other symbols are live"
    assert re.fullmatch(words, venue.reason("A"))
    assert venue.health("B") is venue.health("C") is Health.LIVE


def test_lost_trades_beside_living_quotes_are_stale() -> None:
    """When only the trades of a symbol stop, its quotes do not hide it."""
    venue = busy("A", "B", "C")
    for _ in range(42):
        venue.counters["A"].quotes += 3
        venue.second({"B": 1, "C": 1})
    assert venue.health("A") is Health.STALE
    assert re.fullmatch(r"no trade for 4\d s; usually every second; 2 other symbols are live", venue.reason("A"))


def test_quotes_and_book_may_stop_alone() -> None:
    """A thin pair's book silence is quiet at most: the others say nothing against it."""
    venue = Watched("A", "THIN")
    chance = random.Random(3)
    for _ in range(4000):
        venue.second({"A": 1, "THIN": arrivals(chance, 0.02)})
        assert venue.health("THIN") in {Health.LIVE, Health.QUIET}
    venue.seconds(360, {"A": 1})
    assert venue.health("THIN") is Health.QUIET
    words = r"nothing for \d min; usually every \d+ s; 1 other symbol is live"
    assert re.fullmatch(words, venue.reason("THIN"))


def test_a_quiet_night_is_not_a_fault() -> None:
    """When the whole market falls quiet nobody is stale, however long some are silent."""
    symbols = [f"S{number}" for number in range(8)]
    venue, chance = Watched(*symbols), random.Random(5)
    for second in range(9000):
        night = 0.03 if second > 3000 else 1.0
        venue.second({symbol: arrivals(chance, night / (2 + 3 * n)) for n, symbol in enumerate(symbols)})
        assert Health.STALE not in {verdict.health for verdict in venue.said.values()}


def test_a_burst_does_not_shift_what_is_usual() -> None:
    """A minute of hundreds of trades of a thin symbol leaves it a thin one: its silences are no fault."""
    venue, chance = Watched("A", "THIN"), random.Random(7)
    for _ in range(4000):
        venue.second({"A": arrivals(chance, 2.0), "THIN": arrivals(chance, 0.02)})
    venue.seconds(60, {"A": 2, "THIN": 300})
    for _ in range(4000):
        venue.second({"A": arrivals(chance, 2.0), "THIN": arrivals(chance, 0.02)})
        assert venue.health("THIN") is not Health.STALE


def test_a_dead_market_on_a_living_connection_is_stale() -> None:
    """When every subscription is lost but heartbeats come, the silence of all is told, even of a lone symbol."""
    for symbols in (("A",), ("A", "B", "C")):
        venue = busy(*symbols)
        venue.seconds(40)
        assert {verdict.health for verdict in venue.said.values()} == {Health.QUIET}
        venue.seconds(30)
        for symbol in symbols:
            assert venue.health(symbol) is Health.STALE
            assert "nothing of any symbol for 70 s, though the connection lives; usually" in venue.reason(symbol)


def test_without_heartbeats_the_connection_itself_is_doubted() -> None:
    """When no message at all comes for longer than any venue is left in peace, that is the reason."""
    venue = busy("A", "B")
    venue.seconds(46, heartbeat=False)
    assert venue.health("A") is Health.STALE
    assert venue.reason("A") == "no sign of life from the venue for 46 s"


@pytest.mark.parametrize(
    ("status", "reason", "health", "words"),
    [
        (ConnectionStatus.RECONNECTING, "closed with code 1006", Health.BROKEN,
         "connection lost 3.0 s ago: closed with code 1006"),
        (ConnectionStatus.ERROR, "stream refused", Health.BROKEN, "given up 3.0 s ago: stream refused"),
        (ConnectionStatus.DISCONNECTED, "end of recording", Health.QUIET, "not connected: end of recording"),
    ],
)  # fmt: skip
def test_without_a_connection(status: ConnectionStatus, reason: str, health: Health, words: str) -> None:
    """A lost connection breaks every symbol at once, and says how long ago and why; one that ended is no fault."""
    venue = busy("A", "B")
    venue.connection.enter(status, reason)
    venue.connection.since_ns = venue.now_ns - 2 * S
    venue.second()
    assert {(verdict.health, verdict.reason) for verdict in venue.said.values()} == {(health, words)}


def test_connecting_is_quiet_until_it_takes_too_long() -> None:
    """The first connection may take its time; after fifteen seconds something is wrong."""
    venue = Watched("A")
    venue.connection.enter(ConnectionStatus.DISCONNECTED)
    venue.connection.enter(ConnectionStatus.CONNECTING)
    venue.connection.since_ns = venue.now_ns
    venue.seconds(15)
    assert (venue.health("A"), venue.reason("A")) == (Health.QUIET, "connecting for 15 s")
    venue.second()
    assert venue.health("A") is Health.BROKEN


def test_what_is_mended_is_better_when_it_stays_so() -> None:
    """After an outage a symbol stays broken for three seconds of health, so that no light flickers."""
    venue = busy("A", "B")
    venue.connection.enter(ConnectionStatus.RECONNECTING, "cut")
    venue.second()
    venue.connection.enter(ConnectionStatus.CONNECTED)
    healths = []
    for _ in range(5):
        venue.second({"A": 1, "B": 1})
        healths.append((venue.health("A"), venue.reason("A")))
    assert [health for health, _reason in healths] == [Health.BROKEN] * 3 + [Health.LIVE] * 2
    assert healths[2][1] == "better for 2.0 s, live if it stays so"


def test_a_trickle_does_not_make_a_stale_symbol_live() -> None:
    """A busy symbol that gets one trade a minute is stale throughout, and live after some seconds of its old ways."""
    venue = busy("A", "B", "C", seconds=900)
    for second in range(600):
        venue.second({"B": 1, "C": 1, "A": int(second % 60 == 30)})
        assert second < 50 or venue.health("A") is Health.STALE
    venue.seconds(10, {"A": 1, "B": 1, "C": 1})
    assert venue.health("A") is Health.LIVE


def test_a_withheld_book_is_broken_at_once() -> None:
    """A book that may not be shown breaks its symbol alone, in the feed's own words, whatever trades come."""
    venue = busy("A", "B")
    venue.counters["A"].book_state = BookState.WITHHELD
    venue.counters["A"].problem = "checksum \x1b[31mdiffers"
    venue.second({"A": 1, "B": 1})
    assert venue.health("A") is Health.BROKEN
    assert re.fullmatch(r"book withheld: checksum .*differs", venue.reason("A"))
    assert venue.reason("A").isprintable()
    assert venue.health("B") is Health.LIVE


def test_a_refused_symbol_is_broken() -> None:
    """A symbol of which nothing comes because the venue refuses it says what the venue said."""
    venue = busy("A", "B")
    venue.counters["C"] = Watched.counted("C")
    venue.counters["C"].book_state, venue.counters["C"].problem = BookState.NONE, "Currency pair not supported"
    venue.seconds(20, {"A": 1, "B": 1})
    assert venue.health("C") is Health.BROKEN
    assert venue.reason("C") == "nothing for 19 s: Currency pair not supported"


def test_a_book_that_never_comes_is_stale() -> None:
    """A book on its way for a minute is told, while the trades go on."""
    venue = busy("A", "B")
    venue.counters["A"].book_state = BookState.SYNCING
    venue.seconds(62, {"A": 1, "B": 1})
    assert (venue.health("A"), venue.reason("A")) == (
        Health.STALE,
        "its book was asked for 61 s ago and has not come",
    )


def test_a_book_that_does_not_follow_its_trades_is_stale() -> None:
    """Many trades without a change of the book: it is the book of some time ago."""
    venue = busy("A", "B")
    for _ in range(60):
        venue.counters["A"].trades += 2
        venue.counters["A"].quotes += 2
        venue.second({"B": 1})
    assert venue.health("A") is Health.STALE
    assert venue.reason("A") == "its book has not changed for 60 s, in 120 trades"


def test_a_look_that_comes_late_accuses_nobody() -> None:
    """After the machine slept for an hour every silence begins anew."""
    venue = busy("A", "B")
    venue.second(after_s=3600.0)
    assert {verdict.health for verdict in venue.said.values()} == {Health.LIVE}
    venue.seconds(5, {"A": 1, "B": 1})
    assert {verdict.health for verdict in venue.said.values()} == {Health.LIVE}


def test_a_clock_set_back_is_survived() -> None:
    """A wall clock that goes back makes no silence negative and nobody stale."""
    venue = busy("A", "B")
    venue.second({"A": 1, "B": 1}, after_s=-7200.0)
    venue.seconds(30, {"A": 1, "B": 1})
    assert {verdict.health for verdict in venue.said.values()} == {Health.LIVE}


def test_who_left_is_forgotten_and_may_return() -> None:
    """Only the symbols that are streamed are judged; one that returns begins anew."""
    venue = busy("A", "B")
    left = venue.counters.pop("A")
    venue.seconds(100, {"B": 1})
    assert set(venue.said) == {"B"}
    venue.counters["A"] = left
    venue.second({"B": 1})
    assert venue.health("A") is Health.QUIET


def test_counts_that_begin_anew_teach_nothing() -> None:
    """A feed that was restarted counts from nothing: no trade, no lesson, no negative rate."""
    habit = Habit(0, 0)
    for second in range(1, 60):
        habit.note(second * 5, second * S)
        habit.place(0)
    rate = habit.rate
    assert habit.note(0, 60 * S) == 0
    assert habit.rate == rate == pytest.approx(1.0)
