"""What a secret is, for all that is written down: which values of settings and variables are secret, and what looks
like a secret wherever it stands. The log and the bundles of incidents hide the same.

Nothing is meant to log a secret. A library's exception may hold the address that it was given all the same. Rather a
word too many is hidden than one too few.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs

from config.hiding import HIDDEN, PASSWORD, SECRET, USERINFO, is_secret
from core.text import one_line

LEAST_LENGTH: Final = 4
"""Shorter values are no secrets: they would be found in every other word."""
_SURE_LENGTH: Final = 8
"""From here on a known value is replaced wherever it stands, a shorter one where it is a word of its own; and from
here on a number is a secret, as a shorter one is a price or a port somewhere."""

_MADE_LENGTH: Final = 24
"""What is so long and has no space is no word."""

_NAMES: Final = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|api[-_]?sign|access[-_]?key|private[-_]?key"
    r"|client[-_]?key|credential|authorization|bearer|signature|webhook)"
)
_SECRET_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_SECRET_VARIABLE: Final = re.compile(rf"(?!(?:OLD)?PWD$)(?:.*{_NAMES}|(?:.*_)?KEY$|PGPASS)", re.IGNORECASE)
_SWITCHES: Final = {"true", "false", "none", "null", "auto"}
_OPTION: Final = rf"--?[\w-]{{0,40}}?{_NAMES}[\w-]{{0,40}}"
_SECRET_OPTION: Final = re.compile(rf"{_OPTION}[:=]?", re.IGNORECASE)

_SERVERS: Final = ("postgres", "postgresql", "redis", "rediss", "smtp", "smtps", "unix")
"""In the addresses of these a user without a password is a name, and the path no secret."""
_NO_PORT: Final = r"(?!\d{1,5}(?:[/?#\s]|$))"  # what follows a port is a path, which may hold an `@`
_NO_SERVER: Final = "".join(rf"(?<!\b{scheme})" for scheme in _SERVERS)
_GIVEN: Final = rf"({_NAMES}[\w-]{{0,40}}\\{{0,3}}[\"']?\s{{0,8}}[:=]\s{{0,8}}\\{{0,3}})"
_QUOTED: Final = rf"{_GIVEN}([\"'])((?:\\.|(?!\2)[^\\]){{0,4096}})\2?"
_BARE: Final = rf"{_GIVEN}(?:(?:bearer|basic|token)\s{{1,8}})?((?:'[^']{{0,500}}'|[^\s\"',;&)}}\]]){{1,4096}})"
# Every repetition is bounded: a line of any content, a venue's for one, takes time in proportion to its length.
_RULES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"((?:hooks\.slack\.com|/api/webhooks|api\.telegram\.org)/)[^\s\"'<>]{1,4096}", rf"\1{HIDDEN}"),
        (rf"(://[^\s:/@]{{0,256}}:){_NO_PORT}\S{{0,1024}}@", rf"\1{HIDDEN}@"),
        (rf"{_NO_SERVER}(://)[^\s/?#\"'<>]{{1,500}}@", rf"\1{HIDDEN}@"),
        (r"(authorization\s{0,8}[:=]\s{0,8})(?:[a-z][a-z0-9-]{0,30}\s{1,8})?[^\s,;\"'}]{1,4096}", rf"\1{HIDDEN}"),
        (r"\b((?:bearer|basic)\s{1,8})[a-z0-9+/=._~-]{8,4096}", rf"\1{HIDDEN}"),
        (_QUOTED, rf"\1\2{HIDDEN}\2"),
        (_BARE, rf"\1{HIDDEN}"),
        (rf"((?<![\w-]){_OPTION}\s{{1,8}})(?!-)(?:\"[^\"]{{0,500}}\"|'[^']{{0,500}}'|\S{{1,4096}})", rf"\1{HIDDEN}"),
        (r"\bbot\d{3,20}:[a-z0-9_-]{3,256}", f"bot{HIDDEN}"),
        (r"\bdb-[a-z0-9]{16,4096}", f"db-{HIDDEN}"),
    )
)
_ASSIGNED: Final = tuple(re.compile(pattern, re.IGNORECASE) for pattern in (_QUOTED, _BARE))
_PORT_FIRST: Final = re.compile(r"\d{1,5}(?:[/?#]|$)")
_PASSWORD_KEY: Final = re.compile(r"password\s*=\s*('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)


class Redactor:
    """Replaces secrets in texts: the `known` ones, however they are written, and what looks like one. `forms` are
    the known ones as they may be written, the longest first."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        found = {form for value in known if _is_sure(value) for form in _forms(value)}
        self.forms: Final = tuple(sorted(found, key=lambda form: (-len(form), form)))
        self._sure = tuple(form for form in self.forms if len(form) >= _SURE_LENGTH)
        words = "|".join(re.escape(form) for form in self.forms if len(form) < _SURE_LENGTH)
        # A letter before it is none when it ends an escaped newline.
        self._words = re.compile(rf"(?:(?<![^\W_])|(?<=\\[nrt]))(?:{words})(?![^\W_])") if words else None

    def redact(self, text: str) -> str:
        """`text` with `***` in the place of every secret."""
        for form in self._sure:
            if form in text:
                text = text.replace(form, HIDDEN)
        if self._words is not None:
            text = self._words.sub(HIDDEN, text)
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        return text


def _is_sure(value: str) -> bool:
    return len(value) >= (_SURE_LENGTH if value.isdigit() else LEAST_LENGTH)


def _forms(value: str) -> Iterator[str]:
    # As it is, as it stands in an address or a header, and as Python and JSON write it in quotes.
    for plain in {value, unquote(value)}:
        for form in (
            plain,
            quote(plain, safe=""),
            quote(plain),
            json.dumps(plain)[1:-1],
            json.dumps(plain, ensure_ascii=False)[1:-1],
            repr(plain)[1:-1],
            base64.b64encode(plain.encode("utf-8", "surrogateescape")).decode().rstrip("="),
            one_line(plain, instead=" "),
        ):
            if len(form) >= LEAST_LENGTH and form.strip() and HIDDEN not in form:
                yield form


def is_secret_name(name: str) -> bool:
    """Whether a setting or a field of this name holds what nobody else shall read."""
    return _SECRET_NAME.search(name.rpartition(".")[2]) is not None


def is_secret_option(word: object) -> bool:
    """Whether what follows this word of a command line is a secret, as after `--token`."""
    return isinstance(word, str) and _SECRET_OPTION.fullmatch(word) is not None


def secrets_of_environment(variables: Mapping[str, str]) -> Iterator[str]:
    """The secrets in an environment: values of variables that are called like one, and what stands in addresses."""
    for name, value in variables.items():
        if "hook" in name.lower() or (_SECRET_VARIABLE.match(name) and value.lower() not in _SWITCHES):
            yield from secrets_in_value(value)
        else:
            yield from secrets_in_address(value)


def secrets_of_settings(settings: Any) -> Iterator[str]:
    """The secrets in settings, whatever section, or in what a file of settings says: fields that are marked, or
    called so, and what stands in any address."""
    if attrs.has(type(settings)):
        for field in attrs.fields(type(settings)):
            value = getattr(settings, field.name)
            if isinstance(value, str) and is_secret(field) and field.metadata[SECRET] not in (PASSWORD, USERINFO):
                yield from secrets_in_value(value)
            else:
                yield from secrets_of_settings(value)
    elif isinstance(settings, Mapping):
        for name, value in settings.items():
            # What has no mark: the address of a hook is called `url`, that of a venue is not.
            if isinstance(value, str) and (name == "url" or is_secret_name(str(name))):
                yield from secrets_in_value(value)
            else:
                yield from secrets_of_settings(value)
    elif isinstance(settings, (list, tuple)):
        for before, word in zip(("", *settings), settings, strict=False):
            yield from [word] if isinstance(word, str) and is_secret_option(before) else secrets_of_settings(word)
    elif isinstance(settings, str):
        yield from secrets_in_address(settings)
        yield from (
            found[found.re.groups].strip("'") for pattern in _ASSIGNED for found in pattern.finditer(settings)
        )


def secrets_in_value(value: str) -> Iterator[str]:
    """The secrets in a value that is secret: all of it, or of an address what only its owner knows."""
    yield from secrets_in_address(value)
    scheme, separator, rest = value.partition("://")
    if not separator:
        if not _PASSWORD_KEY.search(value):
            yield value
    elif scheme.lower() not in _SERVERS:
        # The address of a hook is a secret from its path on. Plain words of it are found in many texts that have
        # nothing to do with it: these are a secret behind their server alone.
        server, _, path = rest.rpartition("@")[2].partition("/")
        if path:
            yield f"{server}/{path}"
        parts = (path, *re.split(r"[/?&=#]", path))
        yield from (part for part in parts if len(part) >= _SURE_LENGTH and _looks_made(part))


def _looks_made(text: str) -> bool:
    # Whether a text was made by chance rather than by people, who use words.
    return len(text) >= _MADE_LENGTH or not text.isalpha() or text not in {text.lower(), text.upper()}


def secrets_in_address(text: str) -> Iterator[str]:
    """The password, the tokens and the values of options in `text` when it is a URL or a connection string."""
    yield from (found.strip("'") for found in _PASSWORD_KEY.findall(text))
    scheme, separator, rest = text.partition("://")
    if not separator or " " in scheme:
        return
    server = scheme.lower() in _SERVERS
    # By hand: what is no proper URL, a password with a slash in it for one, has a password as well.
    login, _at, _place = rest.rpartition("@")
    _user, colon, password = login.partition(":")
    if colon and not _PORT_FIRST.match(password):
        yield from (password, login)
    elif login and not colon and not server:
        yield login
    try:
        query = parse_qsl(urlsplit(text).query)
    except ValueError:
        return
    yield from (value for name, value in query if not server or is_secret_name(name))
