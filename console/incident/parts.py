"""One part of a bundle: a file, what it is, and how it is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import attrs

from console.incident.archive import Archive
from console.incident.redaction import Redaction
from console.incident.scene import AbsentError
from core.errors import ConsoleError

MOST_PART_BYTES: Final = 16 << 20
"""Of one file before it is packed, so that none takes the room of all others."""
_TEXTS: Final = (".txt", ".csv", ".log", ".json")


@attrs.frozen
class Part:
    """A file called `name`. `make` gives its bytes, or what JSON can say; it may raise `AbsentError`, `ConsoleError`,
    `OSError` or `ValueError`, which cost this part and no other."""

    name: str
    about: str
    make: Callable[[], Any]

    @classmethod
    def missing(cls, name: str, about: str, reason: str) -> Part:
        """A part that is known not to be there."""

        def refuse() -> Any:
            raise AbsentError(reason)

        return cls(name, about, refuse)


def put(part: Part, archive: Archive, redaction: Redaction) -> None:
    """Make a part and put it into the archive without secrets; say so where that does not work.

    Raises `OSError` when the archive cannot be written.
    """
    about = redaction.text(part.about)
    name = redaction.text(part.name)
    try:
        content = _clean(part.make(), name, redaction)
    except (AbsentError, ConsoleError) as error:
        archive.leave_out(name, about, redaction.text(str(error)))
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        archive.leave_out(name, about, redaction.text(f"{error.strerror or error}{where}"))
    except Exception as error:  # noqa: BLE001 - what is broken is what bundles are for
        archive.leave_out(name, about, redaction.text(f"{type(error).__name__}: {error}"))
    else:
        if len(content) > MOST_PART_BYTES:
            archive.leave_out(name, about, f"it has {len(content)} bytes, and one file may have {MOST_PART_BYTES}")
        else:
            archive.add(name, content, about)


def _clean(made: Any, name: str, redaction: Redaction) -> bytes:
    if not isinstance(made, bytes):
        return json.dumps(redaction.value(made), indent=1, default=str).encode() + b"\n"
    if name.endswith(_TEXTS):
        return redaction.text(made.decode("utf-8", "replace")).encode()
    return redaction.data(made)
