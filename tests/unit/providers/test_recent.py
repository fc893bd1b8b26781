"""The newest messages of a connection: bounded in reads and in bytes, oldest first."""

from __future__ import annotations

from providers.recent import MOST_BYTES, MOST_READS, RecentMessages


def test_the_newest_are_kept_in_order() -> None:
    """Text and bytes as they came, with the time of their read."""
    recent = RecentMessages()
    recent.keep(["a", b"b"], 1)
    recent.keep(["c"], 2)
    assert [(one.ts_recv_ns, one.content) for one in recent.messages()] == [(1, "a"), (1, b"b"), (2, "c")]


def test_both_bounds_hold() -> None:
    """However many reads come and however large they are, no more is kept."""
    recent = RecentMessages()
    for number in range(MOST_READS + 50):
        recent.keep([str(number)], number)
    assert len(recent.messages()) == MOST_READS
    assert recent.messages()[-1].content == str(MOST_READS + 49)
    for number in range(10):
        recent.keep(["x" * (MOST_BYTES // 4)], number)
    assert sum(len(one.content) for one in recent.messages()) <= MOST_BYTES


def test_of_one_that_is_too_large_its_beginning_is_kept() -> None:
    """A single read beyond the bound does not leave nothing."""
    recent = RecentMessages()
    recent.keep(["before"], 1)
    recent.keep(["y" * (3 * MOST_BYTES), "z"], 2)
    kept = [one.content for one in recent.messages()]
    assert sum(map(len, kept)) <= MOST_BYTES
    assert kept[0][:1] == "y"
    recent.keep(["after"], 3)
    assert recent.messages()[-1].content == "after"
