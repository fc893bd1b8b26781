"""Lines about floods."""

from __future__ import annotations

import logging

import pytest

from providers.venue.sparse_log import SparseLog


def test_a_flood_becomes_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Of each kind the 1st, 2nd, 4th, 8th ... line is written, and the later ones say which they are."""
    log = SparseLog(logging.getLogger("ringside.test"))
    with caplog.at_level(logging.INFO, "ringside.test"):
        for number in range(1, 1001):
            log.write("flood", "drop %d", number)
        log.write("other", "notice", level=logging.INFO)
    *flood, other = caplog.records
    assert [record.getMessage() for record in flood[:3]] == ["drop 1", "drop 2 (no. 2)", "drop 4 (no. 4)"]
    assert len(flood) == 10
    assert (other.getMessage(), other.levelno) == ("notice", logging.INFO)
