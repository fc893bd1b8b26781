"""Where one stream is cut and another takes over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.model.records import TRADE_STRUCT
from providers.databento.join import OVERLAP_NS, REMEMBERED, Seam, identity_of


def trade(at_ns: int, sequence: int = 0, *, price: int = 1, flags: int = 0, ts_recv: int = 0) -> bytes:
    """One record."""
    return TRADE_STRUCT.pack(12, 0, 1, 118, at_ns, price, 1, b"T", b"A", flags, 0, ts_recv, 0, sequence)


def test_identity_is_what_a_record_says() -> None:
    """The gateway's own times and flags do not make another trade; price and sequence do."""
    assert identity_of(trade(5, flags=128, ts_recv=7)) == identity_of(trade(5))
    assert len({identity_of(each) for each in (trade(5), trade(6), trade(5, 1), trade(5, price=2))}) == 4


def test_what_comes_late_is_asked_for_from_when_it_began() -> None:
    """A bar that grew when the session was cut, or when it began, bears an earlier instant than what was heard."""
    seam = Seam(60 * OVERLAP_NS)
    seam.begin(1000 * OVERLAP_NS)
    assert seam.start_ns == 940 * OVERLAP_NS
    seam.heard(1100 * OVERLAP_NS)
    assert seam.start_ns == 1039 * OVERLAP_NS


TIMES = st.lists(st.integers(0, 6).map(lambda step: step * OVERLAP_NS // 4), max_size=30)


@given(steps=TIMES, cuts=st.lists(st.integers(0, 30), max_size=4), kinds=st.integers(1, 3))
def test_nothing_is_missing_and_nothing_comes_twice(steps: list[int], cuts: list[int], kinds: int) -> None:
    """However often a stream is cut, and whatever shares an instant or looks alike, the joined one is the whole."""
    at_ns, stream = 10 * OVERLAP_NS, []
    for number, step in enumerate(steps):
        at_ns += step
        stream.append((at_ns, trade(at_ns, number % kinds)))
    seam = Seam()
    seam.heard(10 * OVERLAP_NS)
    published: list[bytes] = []
    for cut in [*cuts, len(stream)]:
        start_ns = seam.start_ns
        seam.cut()
        replay = [each for each in stream if each[0] >= start_ns][: cut if cut < len(stream) else None]
        published += [record for instant_ns, record in replay if seam.is_new(record, instant_ns)]
    assert published == [record for _, record in stream]


def test_memory_is_bounded() -> None:
    """Beyond what is remembered the replay begins later, where everything is known."""
    seam = Seam()
    for number in range(REMEMBERED + 10):
        assert seam.is_new(trade(1000 + number // 2, number), 1000 + number // 2)
    assert seam.start_ns == 1000 + 9 // 2 + 1
    assert len(seam._recent) == REMEMBERED


def test_times_beyond_measure_move_nothing() -> None:
    """An undefined time is no cursor."""
    seam = Seam()
    assert seam.is_new(trade(2**64 - 1), 2**64 - 1)
    assert seam.start_ns == 0
    assert seam.is_new(trade(5 * OVERLAP_NS), 5 * OVERLAP_NS)
    assert seam.start_ns == 4 * OVERLAP_NS


def test_what_is_forgotten_is_asked_for_no_more() -> None:
    """After `forget` the next session begins with what happens then."""
    seam = Seam()
    assert seam.is_new(trade(5 * OVERLAP_NS), 5 * OVERLAP_NS)
    seam.cut()
    assert seam.joining
    seam.forget()
    assert (seam.start_ns, seam.joining) == (0, False)
