"""How much memory a process may take that runs strategies of a user's."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20


def limit_memory(more_mb: int) -> None:
    """Let this process take `more_mb` MiB of addresses more than it has now; who asks for more gets `MemoryError`."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    most = pages * resource.getpagesize() + more_mb * MIB
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
