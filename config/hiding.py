"""What of a setting is secret: what is shown of it, and whether a value holds a secret at all.

A field says so in its metadata under `secret`: `PASSWORD` for the address of a database, whose password is secret,
`USERINFO` for the address of a venue, where user, password and query are, and anything else true for a value that is
secret as a whole, as the address of a web hook, whose path is the key to it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

SECRET: Final = "secret"  # noqa: S105 - the name of a mark, and no secret
PASSWORD: Final = "password"  # noqa: S105 - likewise
USERINFO: Final = "userinfo"
HIDDEN: Final = "***"

# libpq's sslpassword and Redis' ssl_password too; a value in quotes may hold spaces and quotes.
_PASSWORD = re.compile(r"(://[^:/@]*:).*@|(password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:\\.|\S)+)", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|\s*\w+\s*=")
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*@")
_SERVER = re.compile(r"((?:https?|smtps?)://)(?:[^/?#@]*@)?([A-Za-z0-9.-]+(?::\d{1,5})?)(/?)((?:(?<=/)|[?#])[^@]*)?")


def is_secret(field: attrs.Attribute[Any]) -> bool:
    """Whether a field may hold a secret."""
    return bool(field.metadata.get(SECRET))


def holds_secret(field: attrs.Attribute[Any], value: object) -> bool:
    """Whether this value of the field has a secret in it."""
    if not is_secret(field) or not isinstance(value, str) or not value:
        return False
    kind = field.metadata[SECRET]
    return kind not in _PARTLY or _PARTLY[kind](value) != value


def shown(field: attrs.Attribute[Any], value: object) -> object:
    """The value as it may be shown."""
    if not is_secret(field) or not value:
        return value
    if not isinstance(value, str):
        return HIDDEN
    return _PARTLY.get(field.metadata[SECRET], server_alone)(value)


def without_password(address: str) -> str:
    """The address of a database without the password that stands in it; nothing of what is no address."""
    if not _ADDRESS.match(address):
        return HIDDEN if address else ""
    return _PASSWORD.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", address)


def without_userinfo(address: str) -> str:
    """The address of a venue without user, password and query; nothing of one that cannot be taken apart."""
    before, mark, query = address.partition("?")
    plain = _USERINFO.sub(lambda found: f"{found[1] or ''}{HIDDEN}@", before)
    if "@" in plain.replace(f"{HIDDEN}@", "", 1):
        return HIDDEN
    return plain + (mark + HIDDEN if query else mark)


def server_alone(address: str) -> str:
    """Of an address that is a secret, the server; of what is no address, nothing."""
    found = _SERVER.fullmatch(address)
    if found is None:
        return HIDDEN
    whole = f"{found[1]}{found[2]}{found[3]}"
    return whole if whole == address else f"{found[1]}{found[2]}/{HIDDEN}"


_PARTLY: Final = {PASSWORD: without_password, USERINFO: without_userinfo}
