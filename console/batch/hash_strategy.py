"""`hash-strategy`: the SHA-256 of strategy files, and which of them may run. It never runs them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from console.batch import output

NAME = "hash-strategy"
HELP = "the SHA-256 of a strategy file; approve it, or take that back"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a Python file with a strategy")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--approve", action="store_true", help="let the file run as it is now")
    action.add_argument("--revoke", action="store_true", help="let it run no more; it may be gone already")
    action.add_argument("--list", action="store_true", help="what is approved, and whether it still is as it was")
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    from config.paths import find_paths
    from core.errors import UsageError
    from strategies.approval import LIST_NAME

    listed = find_paths().configuration / LIST_NAME
    if arguments.list == (arguments.file is not None):
        raise UsageError("bad command", "hash-strategy", hint="either a FILE or --list")
    if arguments.list:
        rows = _listed_rows(listed)
        envelope = {"schema_version": 1, "list": str(listed)}
        output.write_rows(rows, form=arguments.format, envelope=envelope, columns=("path", "sha256", "standing"))
        if not rows:
            output.talk("no strategy file is approved")
    elif arguments.revoke:
        _revoke(listed, arguments.file, form=arguments.format)
    else:
        _tell(listed, arguments.file, approving=arguments.approve, form=arguments.format)
    return 0


def _tell(listed: Path, file: Path, *, approving: bool, form: str) -> None:
    import hashlib

    from strategies.approval import approve, read_approvals, real_path, standing
    from strategies.fingerprint import read_source

    source = read_source(file)
    sha256 = hashlib.sha256(source).hexdigest()
    changed = approve(listed, file, sha256) if approving else False
    told = {
        "schema_version": 1,
        "name": file.name,
        "path": str(real_path(file)),
        "size_bytes": len(source),
        "sha256": sha256,
        "standing": standing(read_approvals(listed), file, sha256).value,
    }
    output.write_object(told | ({"changed": changed} if approving else {}), form=form)


def _revoke(listed: Path, file: Path, *, form: str) -> None:
    from core.errors import ConsoleError, NotFoundError
    from strategies.approval import real_path, revoke
    from strategies.fingerprint import sha256_of

    try:
        sha256 = sha256_of(file)
    except ConsoleError:  # whatever became of the file
        sha256 = ""
    removed = revoke(listed, file, sha256)
    if not removed:
        raise NotFoundError("not approved", str(file), hint="--list tells what is")
    output.write_object({"schema_version": 1, "path": str(real_path(file)), "revoked": removed}, form=form)


def _listed_rows(listed: Path) -> list[dict[str, Any]]:
    from core.errors import ConsoleError, NotFoundError
    from strategies.approval import Standing, read_approvals
    from strategies.fingerprint import sha256_of

    rows = []
    for one in read_approvals(listed):
        try:
            found = (Standing.APPROVED if sha256_of(Path(one.path)) == one.sha256 else Standing.CHANGED).value
        except NotFoundError:
            found = "gone"
        except ConsoleError:
            found = "unreadable"
        rows.append({"path": one.path, "sha256": one.sha256, "standing": found})
    return rows
