"""What tests of thousands of bad inputs share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def few_lines() -> Iterator[None]:
    """What is logged of each bad input is left out."""
    log = logging.getLogger("ringside")
    level = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(level)
