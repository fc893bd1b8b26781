"""A home that lasts as long as a demonstration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def temporary_home() -> Iterator[None]:
    """Point `RINGSIDE_HOME` at a new directory, removed with all that is in it at the end."""
    before = os.environ.get("RINGSIDE_HOME")
    with tempfile.TemporaryDirectory(prefix="ringside-demo-", ignore_cleanup_errors=True) as home:
        os.environ["RINGSIDE_HOME"] = home
        try:
            yield
        finally:
            if before is None:
                os.environ.pop("RINGSIDE_HOME", None)
            else:
                os.environ["RINGSIDE_HOME"] = before
