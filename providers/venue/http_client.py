"""Ask a venue's REST interface: wait for its limits, sign, send, bound the answer, classify what went wrong, repeat.

It knows no venue: `refusal` lets the caller read its own venue's error codes, and the venue's limits are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

import attrs
import msgspec
import trio

from core.clock import NS_PER_S, wall_ns
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from core.flow.printable import printable
from providers.venue.backoff import backoff_delays, retry_after_s
from providers.venue.ratelimit import MAX_KEYS, Charge, HostLimits
from providers.venue.signing import Request, Signer
from providers.venue.transport import parse_address, tls_context

if TYPE_CHECKING:
    import httpx

MAX_BODY_BYTES = 64 * 1024 * 1024  # the largest catalogue today is a quarter of this
_EXCERPT = 160
_T = TypeVar("_T")

Refusal = Callable[[str, bytes], ConsoleError | None]
"""Given what was asked and the body of an HTTP 4xx, the venue's own meaning of it, or None when it has none."""

Observe = Callable[[Mapping[str, str], HostLimits, int], None]
"""Given the headers of an answer, which are found in any case, tells the limits what the venue says is used; the last
argument is their clock's present instant in nanoseconds."""


@attrs.frozen(kw_only=True)
class Patience:
    """How long a question is asked: at most `attempts` times, none begun more than `budget_s` after the first was;
    each is given up after `timeout_s`."""

    attempts: int = 5
    budget_s: float = 60.0
    timeout_s: float = 10.0


ONCE: Final = Patience(attempts=1)
"""For whoever repeats by rules of his own."""


def _nothing_observed(_headers: Mapping[str, str], _limits: HostLimits, _now_ns: int) -> None:
    pass


class RestClient:
    """Asks one host, within its limits, from any number of tasks of one event loop.

    Whoever asks waits in line at each limit, so a heavy question is not overtaken for ever by light ones. A refusal
    that says how long to wait holds up every question to the host.
    """

    def __init__(
        self,
        base_url: str,
        limits: HostLimits,
        *,
        refusal: Refusal | None = None,
        observe: Observe = _nothing_observed,
        patience: Patience | None = None,
    ) -> None:
        self._base_url = base_url
        self._limits = limits
        self._refusal = refusal
        self._observe = observe
        self._patience = patience or Patience()
        self._lines: dict[tuple[str, str], trio.Lock] = {}

    async def ask(
        self,
        request: Request,
        *,
        decode: Callable[[bytes], _T],
        charges: Sequence[Charge] = (),
        signer: Signer | None = None,
    ) -> _T:
        """Send `request` and return what `decode` makes of the answer, repeated while that may help.

        `charges` go from the narrowest limit to the widest. `decode` may raise `ValueError`, a msgspec error (the
        answer then counts as not understood) or a `ConsoleError`, which is treated as if the venue had refused.

        Raises:
            ResourceExhaustedError: a limit, or a pause that the venue asked for, lasts longer than the budget.
            TransientError: nothing but failures that may pass, as often as we are prepared to try.
            ConsoleError: as `get_json`.
        """
        until_s = trio.current_time() + self._patience.budget_s
        delays = backoff_delays()
        attempts = self._patience.attempts if request.repeatable else 1
        while True:
            await self.acquire(charges, until_s=until_s)
            try:
                return await self._attempt(request, decode, signer)
            except (TransientError, ResourceExhaustedError) as error:
                if isinstance(error, ResourceExhaustedError):
                    self._limits.pause(int(error.retry_after_s * NS_PER_S), _now_ns())
                    delay_s = error.retry_after_s
                else:
                    delay_s = next(delays)
                attempts -= 1
                if not attempts or trio.current_time() + delay_s > until_s:
                    raise
                await trio.sleep(delay_s)

    async def acquire(self, charges: Sequence[Charge], *, until_s: float) -> None:
        """Wait until the limits admit `charges`, narrowest first, and book them. `until_s` is by trio's clock.

        Raises:
            ResourceExhaustedError: they will not in time, with the wait that is left.
        """
        held: list[trio.Lock] = []
        try:
            # Who waits at a narrow limit stands in no wider line yet, and so holds up nobody who may go.
            for count, charge in enumerate(charges, start=1):
                line = self._line(charge)
                with trio.move_on_at(until_s):
                    await line.acquire()
                    held.append(line)
                if len(held) < count:
                    raise _too_long(self._wait_s(charges))
                await self._until_admitted(charges[:count], until_s)
            if not charges:
                await self._until_admitted((), until_s)
            # Nothing was awaited since the last look at the clock: all of them still admit it.
            self._limits.take(charges, _now_ns())
        finally:
            for line in held:
                line.release()

    async def _until_admitted(self, charges: Sequence[Charge], until_s: float) -> None:
        while (wait_s := self._wait_s(charges)) > 0:
            if trio.current_time() + wait_s > until_s:
                raise _too_long(wait_s)
            await trio.sleep(wait_s)

    def _wait_s(self, charges: Sequence[Charge]) -> float:
        return self._limits.wait_ns(charges, _now_ns()) / NS_PER_S

    def _line(self, charge: Charge) -> trio.Lock:
        key = (charge.name, charge.key)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= MAX_KEYS:
                self._lines = {at: each for at, each in self._lines.items() if each.locked()}
            line = self._lines[key] = trio.Lock()
        return line

    async def _attempt(self, request: Request, decode: Callable[[bytes], _T], signer: Signer | None) -> _T:
        sent = signer.sign(request, now_ns=wall_ns()) if signer else request
        answer = await _send(self._base_url, sent, timeout_s=self._patience.timeout_s)
        self._observe(answer.headers, self._limits, _now_ns())
        return _understood(request.said, answer, decode, self._refusal)


def _too_long(wait_s: float) -> ResourceExhaustedError:
    return ResourceExhaustedError(
        "too many requests", f"the next may go in {wait_s:.1f} s", retry_after_s=wait_s, hint="try again then"
    )


def _now_ns() -> int:
    return int(trio.current_time() * NS_PER_S)


async def get_json(
    base_url: str,
    path: str,
    *,
    parameters: Mapping[str, str],
    decode: Callable[[bytes], _T],
    timeout_s: float = 10.0,
    refusal: Refusal | None = None,
) -> _T:
    """GET `base_url` + `path` with `parameters` once and return what `decode` makes of the body.

    `decode` may raise `ValueError` or a msgspec error: the answer then counts as not understood.

    Raises:
        ResourceExhaustedError: HTTP 429 or 418, with the time the venue asks us to wait.
        TransientError: no answer, a broken one, a web page, or HTTP 5xx.
        AuthenticationError: HTTP 401 or 403, unless `refusal` knows better.
        NotFoundError: HTTP 404, likewise.
        PermanentError: any other refusal, with the venue's own words.
        ConfigurationError: the address is none.
    """
    request = Request(path=path, query=urlencode(parameters))
    answer = await _send(base_url, request, timeout_s=timeout_s)
    return _understood(request.said, answer, decode, refusal)


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


async def _send(base_url: str, request: Request, *, timeout_s: float) -> _Answer:
    import httpx

    parse_address(base_url, kind="REST", schemes=("http", "https"))
    url = base_url.rstrip("/") + request.path + (f"?{request.query}" if request.query else "")
    headers = dict(request.headers)
    if request.body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    content = request.body.encode() or None
    try:
        with trio.fail_after(timeout_s):
            async with (
                httpx.AsyncClient(timeout=None, verify=tls_context(), trust_env=True) as client,  # noqa: S113 - bounded above
                client.stream(request.method, url, headers=headers, content=content) as response,
            ):
                body = await _read(request.said, response)
                return _Answer(response.status_code, response.headers, body)
    except trio.TooSlowError:
        raise TransientError(request.said, f"no answer within {timeout_s:g} s") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:  # a proxy's address may be bad, too
        raise ConfigurationError("bad REST address", printable(base_url), hint=printable(str(error))) from error
    except httpx.HTTPError as error:
        raise TransientError(request.said, printable(str(error)) or type(error).__name__) from error


def _understood(asked: str, answer: _Answer, decode: Callable[[bytes], _T], refusal: Refusal | None) -> _T:
    if answer.status != 200:
        raise _classify(asked, answer, refusal)
    try:
        return decode(answer.body)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        said = "a web page" if _is_page(answer.body) else printable(str(error))
        raise TransientError(asked, f"the answer is not understood: {said}") from error


async def _read(asked: str, response: httpx.Response) -> bytes:
    body = bytearray()
    # Leaving the loop early would abandon the library's generators half way: cancelling runs them to their end.
    with trio.CancelScope() as scope:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                body.clear()
                scope.cancel()
    if scope.cancel_called:
        raise TransientError(asked, f"the answer exceeds {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _classify(asked: str, answer: _Answer, refusal: Refusal | None) -> ConsoleError:
    status, body = answer.status, answer.body
    if status in {418, 429}:
        wait_s = retry_after_s(answer.headers.get("retry-after", ""), now_s=wall_ns() / NS_PER_S)
        said = f"HTTP {status}: we are banned" if status == 418 else f"HTTP {status}"
        return ResourceExhaustedError(asked, said, retry_after_s=wait_s, hint=f"wait {wait_s:g} s")
    if status >= 500 or _is_page(body):
        return TransientError(asked, f"HTTP {status}")
    if refusal is not None and (known := refusal(asked, body)) is not None:
        return known
    said = printable(body[: 4 * _EXCERPT].decode("utf-8", "replace").strip(), _EXCERPT)
    kind = _KINDS.get(status, PermanentError)
    return kind(asked, f"HTTP {status}: {said}" if said else f"HTTP {status}", hint=_HINTS.get(status, ""))


_KINDS = {401: AuthenticationError, 403: AuthenticationError, 404: NotFoundError}
_HINTS = {451: "the venue does not serve this country: give another address of it"}


def _is_page(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"<"
