"""What `serve` says when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from console.batch.serve import is_partly_done, write_summary

NONE = {"rows": 0, "duplicates": 0, "out_of_order": 0, "rejected": 0, "lost": 0}


def summary(**store: Any) -> dict[str, Any]:
    """A summary of an engine whose store had these figures."""
    stored = (
        NONE
        | {"quotes": NONE, "book_updates": NONE, "bars": NONE, "waiting": 0, "replayed": 0, "problem": ""}
        | store
    )
    return {
        "instance_id": "e1",
        "uptime_s": 3.0,
        "feeds": [],
        "errors": [],
        "unavailable": [],
        "store": stored,
        "recovered": 0,
        "lost": 0,
    }


def test_what_waits_is_said_and_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """Records kept for a database are counted in words, those of an earlier run apart; nothing is lost."""
    found = summary(waiting=1234, replayed=7)
    write_summary(found, form="table")
    said = capsys.readouterr().err
    assert "stored 0 trades, 0 quotes, 0 books\n1,234 records wait on this machine for the database\n" in said
    assert "7 records of an earlier run were stored" in said
    assert not is_partly_done(found)
    write_summary(summary(), form="table")
    assert "wait" not in capsys.readouterr().err


def test_what_a_stream_did_not_bring_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """How many trades were recovered and how many are lost is told, and nothing when all of them came."""
    write_summary(summary(), form="table")
    assert "bring" not in capsys.readouterr().err
    found = summary() | {"recovered": 1234, "lost": 5}
    write_summary(found, form="table")
    assert "trades that a stream did not bring: 1,234 recovered, 5 lost\n" in capsys.readouterr().err
    assert not is_partly_done(found)
