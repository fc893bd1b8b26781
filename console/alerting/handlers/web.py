"""Post JSON to whoever hears of alerts over HTTP, and say in our own words what came of it.

What a library says in its errors may hold the address, and an answer may repeat what was sent: neither is passed on.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import attrs
import httpx
import msgspec
import trio

from console.alerting.handlers.addresses import is_loopback
from core.clock import NS_PER_S, wall_ns
from core.errors import AuthenticationError, ConsoleError, PermanentError, ResourceExhaustedError, TransientError
from providers.venue.backoff import retry_after_s

MAX_ANSWER_BYTES: Final = 65_536
"""What is read of an answer; nobody who takes a message has more to say."""
ANSWER_S: Final = 2.0
"""How long the rest of an answer may take that has begun: its status says already whether the message was taken."""
_LATER: Final = frozenset({408, 425})


@attrs.frozen(repr=False)
class Answer:
    """What came back: `body` is its beginning."""

    status: int
    retry_after: str
    body: bytes


class Poster:
    """Posts on behalf of the handler `name` to the server that `url` is on. Connections are not kept: minutes lie
    between two messages, and the other side would have closed it just when the next one comes. A proxy of the
    environment is used for other machines alone: what is for this one goes unencrypted and must not leave it."""

    def __init__(self, name: str, url: str) -> None:
        self._operation = f"telling {name}"
        self._is_here = is_loopback(urlsplit(url).hostname or "")
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, payload: object, *, headers: Mapping[str, str]) -> Answer:
        """Post `payload` as JSON and return the answer, whatever its status.

        Raises:
            TransientError: no answer.
            PermanentError: the address or a proxy's is of no use, or the other side cannot prove who it is.
        """
        sent = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "ringside"}
        try:
            client = self._opened()
            content = msgspec.json.encode(payload)
            request = client.build_request("POST", url, content=content, headers={**sent, **headers})
            request.stream = _Content(content)
            response = await client.send(request, stream=True)
            try:
                body = await _beginning(response)
            finally:
                await response.aclose()
            return Answer(response.status_code, response.headers.get("retry-after", ""), body)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            raise self._translated(error) from None  # the chain would show the address in a traceback

    async def aclose(self) -> None:
        """Close the client."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def check(self, answer: Answer) -> None:
        """Raise what an answer's status means, unless it is one of success.

        Raises:
            TransientError: 5xx and the like.
            ResourceExhaustedError: 429.
            AuthenticationError: 401 and 403.
            PermanentError: any other.
        """
        error = self.refusal(answer)
        if error is not None:
            raise error

    def refusal(self, answer: Answer, said: str = "") -> ConsoleError | None:
        """What an answer's status means, None when it is one of success. `said` is what is known beyond it."""
        status = answer.status
        words = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        if 200 <= status < 300:
            return None
        if status == 429:
            wait_s = retry_after_s(answer.retry_after, now_s=wall_ns() / NS_PER_S)
            return ResourceExhaustedError(self._operation, words, retry_after_s=wait_s)
        if status >= 500 or status in _LATER:
            return TransientError(self._operation, words)
        if status in {401, 403}:
            return AuthenticationError(self._operation, words, hint="its address or token is not, or no longer, good")
        if 300 <= status < 400:
            return PermanentError(self._operation, words, hint="it points elsewhere: set the address it points to")
        gone = "check the address" if status in {404, 405, 410} else ""
        return PermanentError(self._operation, words, hint=gone)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            for library in ("httpx", "httpcore"):  # they would write addresses to the log
                logging.getLogger(library).setLevel(logging.WARNING)
            self._client = httpx.AsyncClient(
                timeout=None,  # noqa: S113 - bounded by whoever calls `send`
                verify=_tls_context(),
                follow_redirects=False,
                trust_env=not self._is_here,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client

    def _translated(self, error: Exception) -> ConsoleError:
        # Only the kind of an error is said: its text may hold the address.
        if (certificate := _certificate_error(error)) is not None:
            reason = certificate.verify_message or "it is not trusted"
            return PermanentError(self._operation, f"its certificate is not accepted: {reason}")
        if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError)):
            return PermanentError(self._operation, "its address, or the one of a proxy, is of no use")
        return TransientError(self._operation, _failure(error))


def _failure(error: Exception) -> str:
    if isinstance(error, httpx.ProxyError):
        return "the proxy does not let it through"
    if isinstance(error, httpx.ConnectError):
        return f"no connection{_system_word(error)}"
    if isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)):
        return "the answer is no HTTP, or broke off"
    return f"the connection failed{_system_word(error)}"


def _system_word(error: BaseException) -> str:
    # What the system said first, as «Connection refused», in its own fixed words.
    seen: BaseException | None = error
    for _ in range(8):
        if isinstance(seen, socket.gaierror):
            return ": the name of its host is not known"
        if isinstance(seen, OSError) and seen.errno and not isinstance(seen, ssl.SSLError):
            return f": {os.strerror(seen.errno)}"
        if seen is None:
            break
        seen = seen.exceptions[0] if isinstance(seen, BaseExceptionGroup) else seen.__cause__ or seen.__context__
    return ""


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None or isinstance(seen, ssl.SSLCertVerificationError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


class _Content(httpx.AsyncByteStream):
    # The library's own is a generator, which is left half way when a connection breaks while it is sent.
    def __init__(self, content: bytes) -> None:
        self._left = [content]

    def __aiter__(self) -> _Content:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


async def _beginning(response: httpx.Response) -> bytes:
    body = bytearray()
    # Leaving the loop early would abandon the library's generators half way: cancelling runs them to their end.
    with trio.move_on_after(ANSWER_S) as scope:
        async for chunk in response.aiter_raw():
            body += chunk[: MAX_ANSWER_BYTES - len(body)]
            if len(body) >= MAX_ANSWER_BYTES:
                scope.cancel()
    return bytes(body)


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    # One for all: reading the machine's certificates takes tens of ms.
    return ssl.create_default_context()
