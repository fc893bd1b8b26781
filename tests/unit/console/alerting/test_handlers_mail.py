"""Mail, against real servers on loopback, and what a mail holds."""

from __future__ import annotations

import base64
import email
import logging
import ssl
import threading
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trio

from console.alerting.handlers import mail
from console.alerting.handlers.addresses import MailServer
from console.alerting.handlers.base import PartlyToldError
from console.alerting.handlers.mail import MailHandler, written
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.sending import send_once
from core.alerts.message import Message
from core.errors import AuthenticationError, ConsoleError, PermanentError, TransientError
from tests.servers.tcp import listening
from tests.unit.console.alerting.hearing import CRITICAL, DEADLINE_S, message
from tests.unit.console.alerting.servers import CLOSES, HANGS, MailBox, mail_server

LOGIN = "night:xyzzy%2FSECRET@"
OFFERS_LOGIN = ("AUTH PLAIN",)


def plan(port: int, login: str = "", **options: object) -> HandlerPlan:
    """A plan for a server at that port."""
    given: dict[str, object] = {
        "kind": "email", "name": "desk", "url": f"smtp://{login}127.0.0.1:{port}", "sender": "ringside@desk.example",
        "to": ("night@desk.example", "day@desk.example"), "timeout_s": 5.0, **options,
    }  # fmt: skip
    return HandlerPlan(**given)  # type: ignore[arg-type]


async def tell(given: HandlerPlan, told: Message | None = None) -> None:
    """Tell it once."""
    with trio.fail_after(DEADLINE_S):
        await send_once(MailHandler(given), told or message())


async def failure(box: MailBox, login: str = "", **options: object) -> ConsoleError:
    """The error of telling it once, without a secret in it."""
    async with mail_server(box):
        given = plan(box.port, login, **options)
        with pytest.raises(ConsoleError) as caught:
            await tell(given)
    assert "SECRET" not in f"{caught.value!r} {caught.value} {given!r}"
    return caught.value


@pytest.mark.trio
async def test_a_mail_arrives() -> None:
    """With an envelope, a subject in any script, and the message in the text."""
    async with mail_server(MailBox()) as box:
        await tell(plan(box.port), message("цена stands still"))
    assert "mail FROM:<ringside@desk.example>" in [line.split(" size")[0] for line in box.commands]
    assert [line for line in box.commands if line.startswith("rcpt")] == [
        "rcpt TO:<night@desk.example>",
        "rcpt TO:<day@desk.example>",
    ]
    got: Any = email.message_from_bytes(box.mails[0], policy=default)
    assert got["Subject"] == "WARNING [desk-1] цена stands still"
    assert got["To"] == "night@desk.example, day@desk.example"
    assert got["Auto-Submitted"] == "auto-generated"
    assert "KRAKEN BTCUSD: 120 s" in got.get_content()
    assert box.commands[-1] == "quit"


@pytest.mark.trio
async def test_it_logs_in() -> None:
    """With the user and the password of the address; to this machine without encryption."""
    async with mail_server(MailBox(offers=OFFERS_LOGIN)) as box:
        await tell(plan(box.port, LOGIN))
    (line,) = [line for line in box.commands if line.startswith("AUTH")]
    assert base64.b64decode(line.split()[-1]) == b"\0night\0xyzzy/SECRET"


@pytest.mark.trio
@pytest.mark.parametrize(
    ("says", "error", "subject"),
    [
        ({"AUTH": b"535 no, not xyzzy/SECRET"}, AuthenticationError, "the server answers 535"),
        ({"AUTH": b"454 later"}, TransientError, "the server answers 454"),
        ({"": b"554 not you"}, PermanentError, "the server answers 554"),
        ({"": b"421 later"}, TransientError, "the server answers 421"),
        ({"": CLOSES}, TransientError, "the server closed the connection"),
        ({"": b"\xff\xfe what"}, TransientError, "the server speaks no SMTP"),
        ({"": b"2" * 9000}, PermanentError, "the server answers 500"),
        ({"MAIL": b"550 SECRET"}, PermanentError, "the server answers 550"),
        ({"RCPT": b"550 SECRET"}, PermanentError, "all addresses are refused, with 550"),
        ({"RCPT": b"450 later"}, TransientError, "all addresses are refused, with 450"),
        ({"DATA": b"554 no"}, PermanentError, "the server answers 554"),
        ({"BODY": b"452 full"}, TransientError, "the server answers 452"),
        ({"DATA": CLOSES}, TransientError, "the server closed the connection"),
    ],
)
async def test_what_goes_wrong_is_classified(
    says: dict[str, bytes], error: type[ConsoleError], subject: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By what comes next, in words of our own."""
    caplog.set_level(logging.DEBUG)
    found = await failure(MailBox(says=says, offers=OFFERS_LOGIN), LOGIN)
    assert (type(found), found.subject) == (error, subject)
    assert "SECRET" not in caplog.text


@pytest.mark.trio
async def test_no_way_to_log_in_is_said() -> None:
    """A server that knows no passwords gets none."""
    found = await failure(MailBox(), LOGIN)
    assert (type(found), found.subject) == (PermanentError, "the server knows none of our ways to log in")


@pytest.mark.trio
async def test_some_addresses_may_be_refused() -> None:
    """The others have the mail: it is told, and said."""
    found = await failure(MailBox(says={"RCPT TO:<DAY": b"550 who"}))
    assert isinstance(found, PartlyToldError)
    assert found.subject == "1 of 2 addresses are refused"


@pytest.mark.trio
async def test_a_farewell_is_not_needed() -> None:
    """A server that has the mail and hangs up is not told again."""
    async with mail_server(MailBox(says={"QUIT": CLOSES})) as box:
        await tell(plan(box.port))
    assert len(box.mails) == 1


@pytest.mark.trio
async def test_no_password_without_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    """To another machine that offers none, nothing is said of it."""
    monkeypatch.setattr(MailServer, "is_here", False)
    box = MailBox(offers=OFFERS_LOGIN)
    found = await failure(box, LOGIN)
    assert (type(found), found.subject) == (PermanentError, "the server offers no encryption")
    assert [line.split()[0] for line in box.commands] == ["ehlo"]


@pytest.mark.trio
async def test_encryption_that_fails_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that offers encryption and then speaks none is not told in the clear instead."""
    monkeypatch.setattr(MailServer, "is_here", False)
    box = MailBox(offers=(*OFFERS_LOGIN, "STARTTLS"), says={"STARTTLS": b"220 go\r\nnonsense\r\n" + b"x" * 100})
    found = await failure(box, LOGIN, timeout_s=0.5)
    assert isinstance(found, TransientError)
    assert box.mails == []
    assert not any(line.startswith("AUTH") for line in box.commands)


@pytest.mark.trio
@pytest.mark.parametrize(("scheme", "offers"), [("smtps", OFFERS_LOGIN), ("smtp", (*OFFERS_LOGIN, "STARTTLS"))])
@pytest.mark.parametrize("trusted", [True, False])
async def test_encryption_is_to_somebody_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str, offers: tuple[str, ...], trusted: bool
) -> None:
    """From the beginning or after STARTTLS, to a server whose certificate is good; nothing is said to another."""
    trustme = pytest.importorskip("trustme")
    monkeypatch.setattr(MailServer, "is_here", False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with mail_server(MailBox(offers=offers, context=context)) as box:
        given = plan(box.port, url=f"{scheme}://{LOGIN}127.0.0.1:{box.port}")
        if trusted:
            await tell(given)
        else:
            with pytest.raises(PermanentError, match="its certificate is not accepted"):
                await tell(given)
    assert len(box.mails) == trusted
    assert any(line.startswith("AUTH") for line in box.commands) == trusted


@pytest.mark.trio
@pytest.mark.parametrize("says", [{"": HANGS}, {"EHLO": HANGS}, {"DATA": HANGS}])
async def test_nobody_is_waited_for(says: dict[str, bytes]) -> None:
    """A server that hangs is an error in time, and its thread ends with that."""
    async with mail_server(MailBox(says=says)) as box:
        handler = MailHandler(plan(box.port, timeout_s=60.0))
        with trio.move_on_after(0.3) as scope:
            await handler.send(message())
        assert scope.cancelled_caught
        with trio.fail_after(DEADLINE_S):
            async with handler._limiter:  # the thread has given it back
                pass


@pytest.mark.trio
async def test_a_server_that_talks_for_ever_is_cut_off() -> None:
    """Each byte in time and never a line: the thread ends when the time is over, not when the server wants."""

    async def handle(stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(b"220-x\r\n")
            await trio.sleep(0.01)

    async with listening(handle) as port:
        handler = MailHandler(plan(port, timeout_s=0.3))
        with pytest.raises(TransientError):
            await send_once(handler, message())
        with trio.fail_after(DEADLINE_S):
            async with handler._limiter:
                pass
    assert threading.active_count() < 20


@pytest.mark.trio
async def test_nobody_there_is_said() -> None:
    """With the reason that the system gives."""
    async with mail_server(MailBox()) as box:
        port = box.port
    with pytest.raises(TransientError, match="the connection failed: Connection refused"):
        await tell(plan(port))


def test_a_mail_cannot_be_given_headers() -> None:
    """Line ends and other control characters of a message do not reach a header."""
    evil = message("x\r\nBcc: all@desk.example\r\n\r\nbody\x1b[2J", lines=("a\n.\nQUIT",))
    lines = bytes(written(evil, plan(25))).decode().split("\r\n")
    assert not any(line.lower().startswith("bcc") for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "a?.?QUIT" in "".join(lines)


def test_a_mail_is_the_same_when_it_is_sent_again() -> None:
    """So that a mail that came twice can be known."""
    first, again = written(CRITICAL, plan(25)), written(CRITICAL, plan(25))
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Message-ID"] != written(message(), plan(25))["Message-ID"]
    assert mail.written(CRITICAL, plan(25))["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
