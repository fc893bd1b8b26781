"""`backfill fetch`: the same as `fetch`."""

from __future__ import annotations

from console.batch import fetch

prepare, run = fetch.prepare, fetch.run
