"""`backfill fetch`: the same as `fetch`."""

from __future__ import annotations

from console.batch.fetch import prepare, run

__all__ = ["prepare", "run"]
