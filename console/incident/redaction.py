"""Takes secrets out of whatever goes into a bundle: those that are known, wherever they stand and however they are
written, and what looks like one. Rather a word too many than one too few."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs

HIDDEN: Final = "***"
SHORTEST: Final = 4
"""Shorter values are not looked for by themselves: they would be found in every other word."""

_WORD: Final = (
    r"(?:passw(?:or)?d|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|authorization|bearer"
    r"|signature)"
)
_SECRET_NAME: Final = re.compile(_WORD, re.IGNORECASE)
_SECRET_VARIABLE: Final = re.compile(_WORD + r"|(?:^|_)KEY$|^PGPASS", re.IGNORECASE)
# What may come from a venue is searched: each repetition is bounded, so that no text takes long.
_FLAG: Final = re.compile(r"-{1,2}[\w-]{0,40}?" + _WORD + r"[\w-]{0,40}[:=]?", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]{0,500}@", re.IGNORECASE)
_LOGIN_WITH_SIGNS: Final = re.compile(r"(\b(?:postgres(?:ql)?|rediss?|smtps?)://)\S{0,500}@", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"(" + _WORD + r"[\w-]{0,40}[\"']?\s{0,8}[:=]\s{0,8}[\"']?)(?:(?:bearer|basic|token)\s{1,8})?"
    r"((?:'[^']{0,500}'|[^\s\"',;&})\]]){1,2000})",
    re.IGNORECASE,
)
_SPOKEN: Final = re.compile(r"(\b(?:bearer|basic)\s{1,8})[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_FOLLOWING: Final = re.compile(r"((?<![\w-])--?[\w-]{0,40}?" + _WORD + r"[\w-]{0,40}\s{1,8})(?!-)\S+", re.IGNORECASE)
_DATABENTO: Final = re.compile(r"\bdb-[A-Za-z0-9]{16,}")
_HOOKS: Final = re.compile(
    r"(https?://(?:hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|api\.telegram\.org))/\S+"
)


@attrs.frozen
class Redaction:
    """What is hidden: `known` values by themselves, and whatever looks like a secret."""

    known: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redaction:
        """Hides these values, each in every form in which it may be written down."""
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        return cls(tuple(sorted(forms, key=lambda form: (-len(form), form))))

    def text(self, text: str) -> str:
        """`text` without secrets."""
        for form in self.known:
            if form in text:
                text = text.replace(form, HIDDEN)
        for pattern in (_HOOKS, _LOGIN_WITH_SIGNS, _LOGIN):
            text = pattern.sub(
                rf"\1{'/' if pattern is _HOOKS else ''}{HIDDEN}{'' if pattern is _HOOKS else '@'}", text
            )
        text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
        text = _FOLLOWING.sub(rf"\1{HIDDEN}", _SPOKEN.sub(rf"\1{HIDDEN}", text))
        return _DATABENTO.sub(HIDDEN, text)

    def value(self, value: Any, *, name: str = "") -> Any:
        """The same of what JSON can say: every text in it, the names included. A text under the name of a secret is
        hidden whole, and so is one that follows an option which is called like one."""
        if isinstance(value, str):
            return HIDDEN if value and name and is_secret_name(name) else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, name=str(key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return self.words(value)
        return value

    def words(self, words: Iterable[Any]) -> list[Any]:
        """A list, such as a command line: what follows `--token` is hidden."""
        shown, hide = [], False
        for word in words:
            shown.append(HIDDEN if hide and isinstance(word, str) else self.value(word))
            hide = isinstance(word, str) and _FLAG.fullmatch(word) is not None
        return shown

    def data(self, content: bytes) -> bytes:
        """Known secrets out of bytes that are no text, by as many other bytes: what has a length keeps it."""
        for form in self.known:
            raw = form.encode()
            if raw in content:
                content = content.replace(raw, b"*" * len(raw))
        return content


def is_secret_name(name: str) -> bool:
    """Whether a setting or a field of this name holds what nobody else shall read."""
    return _SECRET_NAME.search(name.rpartition(".")[2]) is not None


def secrets_of(variables: Mapping[str, str]) -> Iterator[str]:
    """The secrets in an environment: whole values of variables that are called like one, and what stands in URLs."""
    for name, value in variables.items():
        yield from secrets_in_url(value)
        if "hook" in name.lower():
            yield from _secret_field(value)
        if _SECRET_VARIABLE.search(name) and "://" not in value:
            yield value


def secrets_in_url(text: str) -> Iterator[str]:
    """The password, the tokens and the values of options in `text` when it is a URL or a connection string."""
    for found in re.finditer(r"(?:ssl)?password\s*=\s*('(?:[^'\\]|\\.)*'|\S+)", text):
        yield found[1].strip("'")
    scheme, separator, rest = text.partition("://")
    if not separator or " " in scheme:
        return
    # By hand: what is no proper URL, a password with a slash in it for one, has a password as well.
    login, at, _place = rest.rpartition("@")
    if at:
        user, colon, password = login.partition(":")
        yield from (password, login) if colon else (user,)
    try:
        yield from (value for _name, value in parse_qsl(urlsplit(text).query))
    except ValueError:
        return


def secrets_of_settings(settings: Any) -> Iterator[str]:
    """The secrets in settings, whatever section: fields that are marked as such, and what stands in any URL."""
    if attrs.has(type(settings)):
        for field in attrs.fields(type(settings)):
            value = getattr(settings, field.name)
            if isinstance(value, str) and field.metadata.get("secret"):
                yield from _secret_field(value)
            yield from secrets_of_settings(value)
    elif isinstance(settings, Mapping):
        for name, value in settings.items():
            if isinstance(value, str) and is_secret_name(str(name)):
                yield value
            yield from secrets_of_settings(value)
    elif isinstance(settings, (list, tuple)):
        hide = False
        for word in settings:
            if hide and isinstance(word, str):
                yield word
            hide = isinstance(word, str) and _FLAG.fullmatch(word) is not None
            yield from secrets_of_settings(word)
    elif isinstance(settings, str):
        yield from secrets_in_url(settings)
        yield from (found[2] for found in _ASSIGNED.finditer(settings))


def _secret_field(value: str) -> Iterator[str]:
    scheme, separator, rest = value.partition("://")
    if not separator:
        yield value
    elif scheme in {"http", "https"}:
        # The address of a hook is a secret from its path on.
        path = rest.partition("/")[2]
        yield path
        yield from (part for part in path.split("/") if len(part) >= 8)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield unquote(secret)
    for plain in {secret, unquote(secret)}:
        yield quote(plain, safe="")
        yield quote(plain)
        yield json.dumps(plain)[1:-1]
        yield json.dumps(plain, ensure_ascii=False)[1:-1]
        yield repr(plain)[1:-1]
        yield base64.b64encode(plain.encode()).decode().rstrip("=")
