"""What an engine's upkeep can do with each kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.day_rows import finding_row, packed_row, removed_row, sealed_row

if TYPE_CHECKING:
    from console.upkeep import Act, Progress
    from core.store.catalogue import Catalogue
    from core.store.embedded import EmbeddedTickStore

Rows = list[dict[str, Any]]


def embedded_acts(store: EmbeddedTickStore, catalogue: Catalogue) -> Mapping[str, Act]:
    """The acts of the embedded store, beside whoever appends to it."""

    def compress(before_day: int, progress: Progress) -> Rows:
        results = store.compress(before_day, lambda done, total, _result: progress(done, total))
        return [sealed_row(result) for result in results]

    def prune(before_day: int, progress: Progress) -> Rows:
        progress(0, 1)
        return [removed_row(removed) for removed in store.retain(before_day)]

    def verify(_before_day: int, progress: Progress) -> Rows:
        from core.store.verify import verify_directory

        return [finding_row(finding) for finding in verify_directory(store.directory, catalogue, progress)]

    return {"compress": compress, "prune": prune, "verify": verify}


def database_acts(url: str) -> Mapping[str, Act]:
    """The acts of the database at `url`, each over a connection of its own."""

    def compress(before_day: int, progress: Progress) -> Rows:
        from core.store.postgres.packing import compress as pack

        results = pack(url, before_day=before_day, progress=lambda done, total, _result: progress(done, total))
        return [packed_row(result) for result in results]

    def prune(before_day: int, progress: Progress) -> Rows:
        from core.store.postgres.retention import retain

        results = retain(url, before_day=before_day, progress=lambda done, total, _result: progress(done, total))
        return [removed_row(removed) for removed in results]

    def verify(_before_day: int, progress: Progress) -> Rows:
        from core.store.postgres.verify import verify_database

        return [finding_row(finding) for finding in verify_database(url, progress)]

    return {"compress": compress, "prune": prune, "verify": verify}
