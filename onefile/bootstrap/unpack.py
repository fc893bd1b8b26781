"""Takes the tree out of the single file: parts that are archives themselves, each by a thread of its own."""

from __future__ import annotations

import os
from pathlib import Path

from onefile.bootstrap.cache import CacheError

PART = "part-"


def unpack(archive: Path, directory: Path) -> None:
    """Write what the parts of `archive` hold into `directory`.

    Raises:
        CacheError: the file is damaged.
        OSError: it cannot be read, or the tree cannot be written.
    """
    import zlib
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(archive) as outer, ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as threads:
            parts = [name for name in outer.namelist() if name.startswith(PART)]
            list(threads.map(partial(_unpack_part, outer, directory), parts))
    except (BadZipFile, zlib.error, EOFError, KeyError) as error:
        hint = "copy it here again, and compare its SHA-256"
        raise CacheError(f"{archive} is damaged: {error}", hint=hint) from error


def _unpack_part(outer: object, directory: Path, name: str) -> None:
    import io
    from zipfile import ZipFile

    assert isinstance(outer, ZipFile)
    with ZipFile(io.BytesIO(outer.read(name))) as part:
        for entry in part.infolist():
            path = directory / entry.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(part.read(entry))
