"""What the address of a handler says, and what is wrong with it. No message of this module repeats an address: those
of Slack and ntfy are secrets as a whole, those of mail servers hold passwords."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

UNREADABLE: Final = "is no address that can be read"
_MAIL_PORTS: Final = {"smtp": 25, "smtps": 465}
SUBMISSION_PORT: Final = 587


@attrs.frozen(kw_only=True)
class MailServer:
    """A mail server: `encrypted` from the first byte on, or by STARTTLS."""

    host: str
    port: int
    encrypted: bool
    user: str
    password: str = attrs.field(repr=False)

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, to which nothing needs to be encrypted."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine, whoever answers for names."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def web_problem(url: str) -> str:
    """What is wrong with the address of a web service, in words that follow a name; empty when nothing is.

    Only this machine may be told without encryption: what is told names positions and accounts, and goes along with
    a token.
    """
    parts = _parts(url)
    if parts is None:
        return UNREADABLE
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must be https://HOST/PATH"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "must be https://, as only this machine is told without encryption"
    return ""


def topic_problem(url: str) -> str:
    """What is wrong with the address of a topic of ntfy; empty when nothing is."""
    if problem := web_problem(url):
        return problem
    root, topic = split_topic(url)
    return "" if root and topic else "must end in the name of a topic, as https://ntfy.sh/TOPIC"


def split_topic(url: str) -> tuple[str, str]:
    """The address of the server and the name of the topic; the latter empty when there is none."""
    parts = urlsplit(url)
    folder, _, topic = parts.path.rstrip("/").rpartition("/")
    return f"{parts.scheme}://{parts.netloc}{folder}/", unquote(topic)


def mail_problem(url: str) -> str:
    """What is wrong with the address of a mail server; empty when nothing is."""
    parts = _parts(url)
    if parts is None:
        return f"{UNREADABLE}: write characters like / ? # @ % in a password as %2F %3F %23 %40 %25"
    if parts.scheme not in _MAIL_PORTS or not parts.hostname:
        return "must be smtp://USER:PASSWORD@HOST:PORT or smtps://"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "must end behind the port: write characters like / ? # in a password as %2F %3F %23"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        return "must have both a user and a password, or none"
    if not (user + password).isprintable():
        return "has a user or a password with characters that none has"
    return ""


def mail_server(url: str) -> MailServer:
    """The server that an address without a `mail_problem` leads to."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    encrypted = parts.scheme == "smtps"
    usual = SUBMISSION_PORT if parts.password and not encrypted else _MAIL_PORTS[parts.scheme]
    return MailServer(
        host=parts.hostname,
        port=parts.port or usual,
        encrypted=encrypted,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _parts(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")  # resolving the name would refuse an empty label in the same way
    except ValueError:
        return None
    return parts if _has_port(parts) else None


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
