"""The archive of an incident: a zip file that appears whole or not at all, for this user alone, and no larger than it
may be. What could not be had stands in its manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from core.errors import RefusedError
from core.store.faults import storage_error

MOST_BYTES: Final = 64 << 20
"""Of what is in it, before it is compressed."""
MANIFEST: Final = "manifest.json"
_WRITING: Final = "writing the bundle"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


@attrs.define
class Archive:
    """A bundle that is being written. `listed` says what is in it and what is not, and why."""

    _file: zipfile.ZipFile
    most_bytes: int = MOST_BYTES
    size_bytes: int = 0
    listed: list[dict[str, Any]] = attrs.field(factory=list)

    def add(self, name: str, content: bytes, about: str) -> None:
        """Put `content` in as `name`; what is too large for the rest of the room is left out, and that is listed.

        Raises `OSError` when it cannot be written.
        """
        name = self._free(safe_name(name))
        if self.size_bytes + len(content) > self.most_bytes:
            self.leave_out(name, about, f"it has {len(content)} bytes, and the bundle may have {self.most_bytes}")
            return
        self._file.writestr(name, content)
        self.size_bytes += len(content)
        digest = hashlib.sha256(content).hexdigest()
        self.listed.append({"name": name, "about": about, "bytes": len(content), "sha256": digest})

    def leave_out(self, name: str, about: str, reason: str) -> None:
        """Say that something is not there, and why."""
        self.listed.append({"name": safe_name(name), "about": about, "missing": reason})

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the manifest: the facts, and what is in the archive."""
        manifest = facts | {"files": self.listed}
        self._file.writestr(MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")

    def _free(self, name: str) -> str:
        taken = {row["name"] for row in self.listed if "sha256" in row} | {MANIFEST}
        stem, dot, suffix = name.rpartition(".")
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}{dot}{suffix}"
        return name


def safe_name(name: str) -> str:
    """`name` as a place in an archive that no system takes for another place: plain letters, nothing upwards."""
    parts = [_UNSAFE.sub("_", part)[:120].lstrip(".") or "_" for part in name.split("/") if part]
    return "/".join(parts) or "_"


@contextmanager
def new_archive(path: Path) -> Iterator[Archive]:
    """An archive that stands at `path` once the block ends, mode 0600; nothing is left when it raises.

    Raises:
        RefusedError: something stands there already.
        ConsoleError: it cannot be written there, or there is no room.
    """
    if path.exists() or path.is_symlink():
        raise RefusedError("nothing is overwritten", str(path), hint="name another file with --out")
    written = ""
    try:
        fd, written = tempfile.mkstemp(prefix=".incident-", suffix=".part", dir=path.parent)  # mode 0600
        with os.fdopen(fd, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
                yield Archive(packed)
            file.flush()
            os.fsync(file.fileno())
        os.link(written, path)  # not a rename: that would replace what somebody put there meanwhile
    except FileExistsError:
        raise RefusedError("nothing is overwritten", str(path), hint="name another file with --out") from None
    except OSError as error:
        raise storage_error(_WRITING, path, error) from error
    finally:
        if written:
            with contextlib.suppress(OSError):
                Path(written).unlink()
