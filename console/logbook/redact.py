"""The last line of defence: what looks like a secret, or is known to be one, becomes `***` in whatever is logged.

Nothing is meant to log a secret. A library's exception may hold the address that it was given all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
LEAST_LENGTH: Final = 4
"""Shorter values are no secrets: they would be found in every other word."""
_SURE_LENGTH: Final = 8
"""From here on a known value is replaced wherever it stands; a shorter one where it is a word of its own."""

_NAMES: Final = (
    "token|passw(?:or)?d|passphrase|secret|api[_-]?key|apikey|api[_-]?sign|signature|access[_-]?key|private[_-]?key"
    "|client[_-]?key|webhook"
)
_QUOTED: Final = r"\"(?:[^\"\\]|\\.){0,1024}\"?|'(?:[^'\\]|\\.){0,1024}'?"
# Every repetition is bounded and every pattern begins with a fixed text: a line of any content takes time in
# proportion to its length.
_RULES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # A port is no password: what follows it is a path, which may hold an `@`.
        (r"(://[^\s:/@]{0,256}:)(?!\d{1,5}[/?#\s])\S{0,1024}@", rf"\1{HIDDEN}@"),
        (rf"(authorization[\"']?\s{{0,3}}[:=]\s{{0,3}})(?:{_QUOTED})", rf"\1{HIDDEN}"),
        (
            r"(authorization\s{0,3}[:=]\s{0,3})(?:[a-z][a-z0-9-]{0,30}\s{1,3})?[^\s,;\"'}]{1,4096}",
            rf"\1{HIDDEN}",
        ),
        (r"\b(bearer|basic)(\s{1,3})[a-z0-9+/=._~-]{8,4096}", rf"\1\2{HIDDEN}"),
        (rf"((?:{_NAMES})s?[\"']?\s{{0,3}}[=:]\s{{0,3}})(?:{_QUOTED})", rf"\1{HIDDEN}"),
        (rf"((?:{_NAMES})s?[\"']?\s{{0,3}}[=:]\s{{0,3}})[^\s&,;\"')}}\]]{{1,4096}}", rf"\1{HIDDEN}"),
        (r"\bbot\d{3,20}:[a-z0-9_-]{3,256}", f"bot{HIDDEN}"),
        (r"\bdb-[a-z0-9]{16,64}\b", f"db-{HIDDEN}"),
        (r"(hooks\.slack\.com/services/|/api/webhooks/)[^\s\"']{1,512}", rf"\1{HIDDEN}"),
    )
)
_PASSWORD_IN: Final = re.compile(r"://[^\s:/@]*:(\S*)@")
_PASSWORD_KEY: Final = re.compile(r"(?:password|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"(?:^|_)(?:TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_KEY)$")
ADDRESSES: Final = (
    "DATABASE_URL",
    "REDIS_URL",
    "PGPASSWORD",
    "RINGSIDE__DATABASE__URL",
    "RINGSIDE__CACHE__REDIS__URL",
)


class Redactor:
    """Replaces secrets in texts. `known` are values that are secret, or addresses with a secret in them."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = sorted({form for value in known for form in _forms(value)}, key=len, reverse=True)
        sure = [re.escape(value) for value in values if len(value) >= _SURE_LENGTH]
        words = [rf"(?<![^\W_]){re.escape(value)}(?![^\W_])" for value in values if len(value) < _SURE_LENGTH]
        self._known = re.compile("|".join(sure + words)) if values else None

    def redact(self, text: str) -> str:
        """`text` with `***` in the place of every secret."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        return text


def secrets_of(addresses: Iterable[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values that must not be logged: the secrets in `addresses`, each of which may also be one as a whole, and
    those of variables whose name says so."""
    found = [part for address in addresses if address for part in secret_parts(address)]
    for name, value in environment.items():
        if name in ADDRESSES or _VARIABLE.search(name.upper()):
            found += secret_parts(value)
    # A short number is a price or a port somewhere.
    kept = (value for value in found if len(value) >= (_SURE_LENGTH if value.isdigit() else LEAST_LENGTH))
    return tuple(dict.fromkeys(kept))


def secret_parts(value: str) -> list[str]:
    """The password of an address that has one; of any other value that is no address of a server alone, all of it."""
    found = [*_PASSWORD_IN.findall(value), *(one.strip("'") for one in _PASSWORD_KEY.findall(value))]
    if found:
        return found
    if "://" not in value:
        return [] if _PASSWORD_KEY.search(value) or "host=" in value or value.startswith("/") else [value]
    # The path of a hook is its secret.
    path = value.partition("://")[2].partition("/")[2]
    server = value.startswith(("postgres", "redis", "rediss", "unix"))
    return [] if server or not path else [value, path]


def _forms(value: str) -> Iterable[str]:
    # As it is, as it stands in an address, and as Python and JSON write it in quotes.
    for form in {value, unquote(value)}:
        for written in (form, quote(form, safe=""), repr(form)[1:-1], _plain(form)):
            if len(written) >= LEAST_LENGTH and written.strip() and HIDDEN not in written:
                yield written


def _plain(value: str) -> str:
    return "".join(character if character.isprintable() else " " for character in value)


def redact_value(redactor: Redactor, value: Any) -> Any:
    """An extra field as it may be logged: numbers, true, false and none as they are, all else as safe text."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:64]
    return redactor.redact(_plain(str(value)[:4096]))
