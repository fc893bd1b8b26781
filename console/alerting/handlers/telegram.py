"""Alerts in chats of Telegram, from a bot."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from console.alerting.handlers.base import PartlyToldError
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.web import Answer, Poster
from console.alerting.handlers.wording import body, headline, is_bad
from core.alerts.message import Message
from core.errors import ConsoleError, PermanentError, ResourceExhaustedError, TransientError

SERVER: Final = "https://api.telegram.org"
LONGEST_WAIT_S: Final = 86_400
_WORDS: Final = re.compile(r"[A-Za-z0-9 ,.:'()-]{1,120}")


class _Parameters(msgspec.Struct):
    retry_after: int = 0


class _Said(msgspec.Struct):
    ok: bool = False
    description: str = ""
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class TelegramHandler:
    """Writes to each chat. When a message is tried again, only those chats get it that have not got it."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self._poster = Poster(plan.name, plan.url or SERVER)
        self._message: Message | None = None
        self._open: list[str] = []
        self._refused: list[PermanentError] = []

    async def send(self, message: Message) -> None:
        """Write it to the chats. Raises as `Poster` does, and PartlyToldError when only some will never take it."""
        if message is not self._message:
            self._message, self._open, self._refused = message, list(self.plan.to), []
        failed = None
        for chat in tuple(self._open):
            try:
                await self._write(chat, message)
            except ResourceExhaustedError:
                raise  # the limit is the bot's: the other chats would not get it either
            except TransientError as error:
                failed = error
                continue
            except PermanentError as error:
                self._refused.append(error)
            self._open.remove(chat)
        if failed is not None:
            raise failed
        self._message = None
        self._conclude()

    async def aclose(self) -> None:
        """Close its client."""
        await self._poster.aclose()

    def _conclude(self) -> None:
        if not self._refused:
            return
        first = self._refused[0]
        if len(self._refused) == len(self.plan.to):
            raise first
        told = f"{len(self._refused)} of {len(self.plan.to)} chats: {first.subject}"
        raise PartlyToldError(first.operation, told, hint=first.hint)

    async def _write(self, chat: str, message: Message) -> None:
        url = f"{(self.plan.url or SERVER).rstrip('/')}/bot{self.plan.token}/sendMessage"
        answer = await self._poster.post(url, payload(message, chat), headers={})
        error = self._refusal(answer)
        if error is not None:
            raise error

    def _refusal(self, answer: Answer) -> ConsoleError | None:
        said = _said(answer)
        error = self._poster.refusal(answer, self._words(said))
        if error is None:
            return None if said.ok else TransientError(f"telling {self.name}", "the answer is not understood")
        if isinstance(error, ResourceExhaustedError) and said.parameters.retry_after > 0:
            wait_s = float(min(said.parameters.retry_after, LONGEST_WAIT_S))
            return ResourceExhaustedError(error.operation, error.subject, retry_after_s=wait_s)
        return error

    def _words(self, said: _Said) -> str:
        # As «Bad Request: chat not found», unless it holds a piece of the token.
        number, _, secret = self.plan.token.partition(":")
        known = any(piece and piece in said.description for piece in (self.plan.token, number, secret))
        return said.description if _WORDS.fullmatch(said.description) and not known else ""


def payload(message: Message, chat: str) -> dict[str, Any]:
    """What is posted for a chat: plain text, without a sound unless something is bad."""
    return {
        "chat_id": chat,
        "text": f"{headline(message)}\n{body(message, 3500)}",
        "disable_notification": not is_bad(message),
        "link_preview_options": {"is_disabled": True},
    }


def _said(answer: Answer) -> _Said:
    try:
        return msgspec.json.decode(answer.body, type=_Said)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Said()
