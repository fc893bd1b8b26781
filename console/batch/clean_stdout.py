"""Keeps standard output to the program itself, whatever the code of users prints, be it past Python."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def clean_stdout() -> Iterator[None]:
    """While the block lasts `sys.stdout` alone goes where standard output went; what is written to its descriptor, by
    other means or by programs that are started, goes to standard error."""
    before = sys.stdout
    with contextlib.suppress(OSError):
        before.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    # What cannot be written was noticed by whoever wrote it.
    stream = os.fdopen(own, "w", encoding=before.encoding, errors=before.errors, closefd=False)
    sys.stdout = stream
    try:
        yield
    finally:
        sys.stdout = before
        with contextlib.suppress(OSError):
            stream.close()
        os.dup2(own, 1)
        os.close(own)
