"""Keeps the vendor's client from speaking where nobody should: its warnings become lines of our log."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

from core.flow.printable import printable
from providers.venue.sparse_log import SparseLog

PART_SUFFIX = ".part"

_lines = SparseLog(logging.getLogger("ringside.databento"))
_others: Callable[..., None] = warnings.showwarning


def quieten() -> None:
    """See that what the client warns of is logged. Cheap; to be called before each use of it, from any thread.

    The filters of `warnings` belong to the process, and `catch_warnings` is not for threads: so the hook is set, for
    warnings of the client's own classes alone, and everything else goes where it went before.
    """
    import databento.common.error as client

    global _others
    warnings.filterwarnings("always", category=client.BentoWarning)
    # The client leaves the file that it wrote to the collector, which says so where warnings are errors.
    warnings.filterwarnings("ignore", message=rf"unclosed file .*\{PART_SUFFIX}'>", category=ResourceWarning)
    if warnings.showwarning is not _show:
        _others, warnings.showwarning = warnings.showwarning, _show


def _show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    import databento.common.error as client

    if not issubclass(category, client.BentoWarning):
        _others(message, category, *place, **more)
        return
    text = printable(str(message), 200)
    _lines.write("deprecated" if issubclass(category, client.BentoDeprecationWarning) else "warning", "%s", text)
