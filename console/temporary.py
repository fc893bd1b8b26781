"""A home that lasts as long as a demonstration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

OWN = ("RINGSIDE_HOME", "DATA_MANAGER_CONFIG_DIR", "RUN_MODE")
SERVERS = ("DATABASE_URL", "REDIS_URL", "RINGSIDE__DATABASE__URL", "RINGSIDE__CACHE__REDIS__URL")


@contextmanager
def temporary_home() -> Iterator[None]:
    """Point `RINGSIDE_HOME` at a new directory, removed with all that is in it at the end. The user's own settings
    and servers are out of sight meanwhile: what is made up must not end up among real data."""
    before = {name: os.environ.pop(name) for name in (*OWN, *SERVERS) if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="ringside-demo-", ignore_cleanup_errors=True) as home:
        os.environ["RINGSIDE_HOME"] = home
        try:
            yield
        finally:
            del os.environ["RINGSIDE_HOME"]
            os.environ.update(before)
