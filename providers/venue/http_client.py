"""Ask a venue's REST interface one question: send, bound the answer, classify what went wrong.

It knows no venue: `refusal` lets the caller read its own venue's error codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio

from core.clock import NS_PER_S, wall_ns
from core.errors import (
    ConfigurationError,
    ConsoleError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from core.flow.printable import printable
from providers.venue.backoff import retry_after_s
from providers.venue.transport import parse_address, tls_context

if TYPE_CHECKING:
    import httpx

MAX_BODY_BYTES = 64 * 1024 * 1024  # the largest catalogue today is a quarter of this
_EXCERPT = 160
_T = TypeVar("_T")

Refusal = Callable[[str, bytes], ConsoleError | None]
"""Given what was asked and the body of an HTTP 4xx, the venue's own meaning of it, or None when it has none."""


async def get_json(
    base_url: str,
    path: str,
    *,
    parameters: Mapping[str, str],
    decode: Callable[[bytes], _T],
    timeout_s: float = 10.0,
    refusal: Refusal | None = None,
) -> _T:
    """GET `base_url` + `path` with `parameters` and return what `decode` makes of the body.

    `decode` may raise `ValueError` or a msgspec error: the answer then counts as not understood.

    Raises:
        ResourceExhaustedError: HTTP 429 or 418, with the time the venue asks us to wait.
        TransientError: no answer, a broken one, a web page, or HTTP 5xx.
        PermanentError: any other refusal, with the venue's own words.
        ConfigurationError: the address is none.
    """
    import httpx

    parse_address(base_url, kind="REST", schemes=("http", "https"))
    asked = f"GET {path}"
    try:
        with trio.fail_after(timeout_s):
            async with (
                httpx.AsyncClient(timeout=None, verify=tls_context(), trust_env=True) as client,  # noqa: S113 - bounded above
                client.stream("GET", base_url.rstrip("/") + path, params=dict(parameters)) as response,
            ):
                body = await _read(asked, response)
                status, headers = response.status_code, response.headers
    except trio.TooSlowError:
        raise TransientError(asked, f"no answer within {timeout_s:g} s") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:  # a proxy's address may be bad, too
        raise ConfigurationError("bad REST address", printable(base_url), hint=printable(str(error))) from error
    except httpx.HTTPError as error:
        raise TransientError(asked, printable(str(error)) or type(error).__name__) from error
    if status != 200:
        raise _classify(asked, status, headers.get("retry-after", ""), body, refusal)
    try:
        return decode(body)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        said = "a web page" if _is_page(body) else printable(str(error))
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


def _classify(asked: str, status: int, retry_after: str, body: bytes, refusal: Refusal | None) -> ConsoleError:
    if status in {418, 429}:
        wait_s = retry_after_s(retry_after, now_s=wall_ns() / NS_PER_S)
        return ResourceExhaustedError(asked, f"HTTP {status}", retry_after_s=wait_s, hint=f"wait {wait_s:g} s")
    if status >= 500 or _is_page(body):
        return TransientError(asked, f"HTTP {status}")
    if refusal is not None and (known := refusal(asked, body)) is not None:
        return known
    said = printable(body[: 4 * _EXCERPT].decode("utf-8", "replace").strip(), _EXCERPT)
    return PermanentError(asked, f"HTTP {status}: {said}" if said else f"HTTP {status}")


def _is_page(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"<"
