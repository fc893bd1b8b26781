"""The journal of an engine."""

from __future__ import annotations

import logging
from pathlib import Path

from console.journal import closing_journal, open_journal


def test_a_closed_journal_leaves_no_trace(tmp_path: Path) -> None:
    """While it is open lines go to it and no further; afterwards the loggers are as they were, and the file stays."""
    logger = logging.getLogger("ringside")
    before = logger.level, logger.propagate, list(logger.handlers), logging.raiseExceptions
    with closing_journal():
        journal = open_journal(tmp_path, to_stderr=False)
        logging.getLogger("ringside.test").info("told")
        assert not logger.propagate
    assert (logger.level, logger.propagate, list(logger.handlers), logging.raiseExceptions) == before
    assert [line["text"] for line in journal.lines()] == ["told"]
    assert "told" in (tmp_path / "ringside.log").read_text(encoding="utf-8")
