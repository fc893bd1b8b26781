"""Alerts by mail, over SMTP, in a worker thread: the library blocks."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import attrs
import trio

from console.alerting.handlers.addresses import MailServer, mail_server
from console.alerting.handlers.base import PartlyToldError
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.wording import body, headline, message_id
from core.alerts.message import Message
from core.clock import NS_PER_S
from core.errors import AuthenticationError, ConsoleError, PermanentError, TransientError

_TRY_LATER: Final = range(400, 500)


class MailHandler:
    """Sends a mail to all addresses at once."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self._server = mail_server(plan.url)
        self._limiter = trio.CapacityLimiter(1)

    async def send(self, message: Message) -> None:
        """Send it. A cancelled one is cut off, so that its thread does not wait for a server that hangs.

        Raises:
            TransientError, PermanentError, AuthenticationError: as servers and connections fail.
            PartlyToldError: some of the addresses are refused.
        """
        sending = _Sending(self._server, written(message, self.plan), self.plan)
        try:
            await trio.to_thread.run_sync(sending.run, limiter=self._limiter, abandon_on_cancel=True)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._translated(error) from None  # the chain would show what the server repeats
        finally:
            sending.cut_off()
        if sending.refused:
            told = f"{sending.refused} of {len(self.plan.to)} addresses are refused"
            raise PartlyToldError(self._operation, told)

    async def aclose(self) -> None:
        """Nothing is held."""

    @property
    def _operation(self) -> str:
        return f"telling {self.name}"

    def _translated(self, error: Exception) -> ConsoleError:
        if isinstance(error, _NotEncryptedError):
            hint = "use smtps://, or a server that knows STARTTLS: a password is not sent without encryption"
            return PermanentError(self._operation, "the server offers no encryption", hint=hint)
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            codes = [code for code, _ in error.recipients.values()]
            kind = TransientError if all(code in _TRY_LATER for code in codes) else PermanentError
            return kind(self._operation, f"all addresses are refused, with {codes[0] if codes else 'no code'}")
        if isinstance(error, smtplib.SMTPResponseException):
            return self._answered(error)
        if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
            return PermanentError(self._operation, "the server knows none of our ways to log in")
        if isinstance(error, ssl.SSLCertVerificationError):
            return PermanentError(self._operation, f"its certificate is not accepted: {error.verify_message}")
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return TransientError(self._operation, "the server closed the connection")
        if isinstance(error, (OSError, smtplib.SMTPException)):
            return TransientError(self._operation, f"the connection failed{_reason(error)}")
        return PermanentError(self._operation, "the address of the server is of no use")

    def _answered(self, error: smtplib.SMTPResponseException) -> ConsoleError:
        code = error.smtp_code
        if code < 200:
            return TransientError(self._operation, "the server speaks no SMTP")
        if code in _TRY_LATER:
            return TransientError(self._operation, f"the server answers {code}")
        if isinstance(error, smtplib.SMTPAuthenticationError) or code in {530, 534, 535}:
            return AuthenticationError(
                self._operation, f"the server answers {code}", hint="check user and password of its address"
            )
        return PermanentError(self._operation, f"the server answers {code}")


def written(message: Message, plan: HandlerPlan) -> EmailMessage:
    """The mail. The library refuses line ends in headers, and `headline` has none."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = headline(message)
    mail["From"] = plan.sender
    mail["To"] = ", ".join(plan.to)
    mail["Date"] = format_datetime(_instant(message.time_ns))
    mail["Message-ID"] = f"<{message_id(message)}@{plan.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{headline(message)}\n\n{body(message, 20_000)}\n", cte="quoted-printable")
    return mail


class _NotEncryptedError(OSError):
    pass


@attrs.define(repr=False)
class _Sending:
    # One mail, sent in a thread and cut off from outside it.
    server: MailServer
    mail: EmailMessage
    plan: HandlerPlan
    refused: int = 0
    _session: smtplib.SMTP | None = None
    _over: bool = False

    def run(self) -> None:
        self._session = session = self._unconnected()
        try:
            session._host = self.server.host  # type: ignore[attr-defined]  # noqa: SLF001 - certificates are checked for it
            code, said = session.connect(self.server.host, self.server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, said)
            if self._over:
                return
            self._introduce(session)
            self.refused = len(session.send_message(self.mail, self.plan.sender, self.plan.to))
            with suppress(smtplib.SMTPException, OSError):  # it has the mail
                session.quit()
        finally:
            session.close()

    def cut_off(self) -> None:
        self._over = True
        connection: socket.socket | None = getattr(self._session, "sock", None)
        if connection is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not that of TLS, which belongs to the thread

    def _unconnected(self) -> smtplib.SMTP:
        if self.server.encrypted:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(timeout=self.plan.timeout_s, context=context)
        return smtplib.SMTP(timeout=self.plan.timeout_s)

    def _introduce(self, session: smtplib.SMTP) -> None:
        session.ehlo_or_helo_if_needed()
        if not self.server.encrypted and not self.server.is_here:
            if session.has_extn("starttls"):
                session.starttls(context=ssl.create_default_context())
                session.ehlo()
            elif self.server.password:
                raise _NotEncryptedError
        if self.server.password:
            session.login(self.server.user, self.server.password)


def _reason(error: Exception) -> str:
    # In fixed words: what a library says may repeat what was sent.
    if isinstance(error, socket.gaierror):
        return ": the name of its host is not known"
    if isinstance(error, TimeoutError):
        return ": no answer in time"
    known = (
        isinstance(error, OSError) and error.errno and not isinstance(error, (ssl.SSLError, smtplib.SMTPException))
    )
    return f": {os.strerror(error.errno)}" if known else ""  # type: ignore[attr-defined]


def _instant(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC)
