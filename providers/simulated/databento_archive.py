"""The simulated Databento archive: its HTTP interface over TLS on 127.0.0.1, from a library, faults on request."""

from __future__ import annotations

import base64
import json
import ssl
import struct
import tempfile
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs
import h11
import trio
from trio import TaskStatus

from providers.simulated.certificate import make_certificate
from providers.simulated.databento_batch import PAGES as BATCH_PAGES
from providers.simulated.databento_batch import download, is_file
from providers.simulated.databento_desk import Answer, Desk, RefusalError, detail
from providers.simulated.databento_faults import DOWNLOAD, ArchiveFaults, Fault
from providers.simulated.databento_library import Library
from providers.simulated.databento_pages import PAGES
from providers.simulated.faults import NO_FAULTS, FaultPlan

RETRY_AFTER_S: Final = 7
_RECEIVE_BYTES = 16_384
_MAX_BODY_BYTES = 1 << 20
_PREFIX = "/v0/"
_CUT: Final[frozenset[Fault]] = frozenset({"half", "silent_half", "stall"})


@attrs.frozen(kw_only=True)
class RunningArchive:
    """Where the archive is found, and the certificate its clients must trust (`REQUESTS_CA_BUNDLE`). Each name put in
    `faults` spoils one answer, in order, and in `page_faults` one of a page; `asked` lists the requests that came, as
    (path, parameters), the header `range` among them. `desk` is what it has and what was paid for."""

    rest_url: str
    certificate: Path
    desk: Desk
    faults: deque[Fault] = attrs.Factory(deque)
    page_faults: defaultdict[str, deque[Fault]] = attrs.Factory(partial(defaultdict, deque))
    asked: list[tuple[str, Mapping[str, str]]] = attrs.Factory(list)

    def fault(self, page: str) -> Fault | None:
        """What the next answer to a request for `page` is spoilt with."""
        return next((queue.popleft() for queue in (self.page_faults[page], self.faults) if queue), None)


@attrs.frozen
class _Asked:
    request: h11.Request
    path: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, request: h11.Request, body: bytes) -> _Asked:
        parts = urlsplit(request.target.decode("ascii", "replace"))
        named = parse_qs(f"{parts.query}&{body.decode('utf-8', 'replace')}")
        return cls(request, parts.path, {name: values[-1] for name, values in named.items()})

    @property
    def page(self) -> str:
        return DOWNLOAD if is_file(self.path) else self.path.removeprefix(_PREFIX)

    @property
    def told(self) -> Mapping[str, str]:
        wanted = self.header(b"range")
        return {**self.parameters, "range": wanted} if wanted else self.parameters

    def header(self, wanted: bytes) -> str:
        found = next((value for name, value in self.request.headers if name == wanted), b"")
        return found.decode("latin-1")


async def serve_archive(
    library: Library,
    *,
    key: str,
    plan: FaultPlan = NO_FAULTS,
    task_status: TaskStatus[RunningArchive] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, to clients with `key`, with the faults of `plan`; reports where once it listens.

    Raises:
        ConfigurationError: no certificate can be made.
    """
    with tempfile.TemporaryDirectory(prefix="ringside-archive-") as directory:
        context, certificate = await make_certificate(Path(directory))
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        address = f"https://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        desk = Desk(library=library, address=address)
        running = RunningArchive(rest_url=address, certificate=certificate, desk=desk)
        task_status.started(running)
        await trio.serve_listeners(partial(_serve_client, key, running, ArchiveFaults(plan), context), listeners)


async def _serve_client(
    key: str, running: RunningArchive, planned: ArchiveFaults, context: ssl.SSLContext, plain: trio.SocketStream
) -> None:
    stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
    connection = h11.Connection(h11.SERVER)
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, ssl.SSLError):
        request, body = await _next_request(connection, stream)
        if request is None:
            return
        asked = _Asked.of(request, body)
        running.asked.append((asked.path, asked.told))
        fault = running.fault(asked.page) or planned.next(asked.page)
        if fault == "mute":
            await stream.receive_some(1)
            return
        allowed = asked.header(b"authorization") == f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"
        answer = _answer(running.desk, asked, fault) if allowed else _REFUSED
        if fault != "lost":
            await _send(connection, stream, answer, fault)
    await trio.aclose_forcefully(stream)


async def _next_request(connection: h11.Connection, stream: trio.SSLStream[Any]) -> tuple[h11.Request | None, bytes]:
    request, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MAX_BODY_BYTES:
                return None, b""
        else:
            return request, body


async def _send(connection: h11.Connection, stream: trio.SSLStream[Any], answer: Answer, fault: Fault | None) -> None:
    headers = [*answer.headers, ("Connection", "close")]
    if fault == "warning":
        headers.append(("X-Warning", json.dumps(["BentoWarning: the archive\x1b[31m warns"])))
    body, whole = answer.body, fault not in _CUT
    if not whole:
        body = body[: len(body) // 2]
    head = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    await stream.send_all(head + (connection.send(h11.Data(data=body)) or b""))
    if fault == "half":
        stream.transport_stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    elif fault == "stall":
        await stream.receive_some(1)
    elif whole or not answer.headers:
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")


_REFUSED: Final = detail(401, "auth_authentication_failed", "Authentication failed.")
_ABSENT: Final = detail(404, "not_found", "There is no such page.")
_STATUSES: Final[Mapping[str, Answer]] = {
    "429": attrs.evolve(
        detail(429, "rate_limited", "Too many requests."), headers=(("Retry-After", str(RETRY_AFTER_S)),)
    ),
    "500": detail(500, "internal_error", "Something went wrong."),
    "422": detail(422, "data_time_range_start_on_or_after_end", "The range is empty."),
    "402": detail(402, "billing_limit", "The account's limit is reached."),
    "404": detail(404, "dataset_not_found", "There is no such dataset."),
    "page": Answer(b"<html>maintenance</html>"),
}


def _answer(desk: Desk, asked: _Asked, fault: Fault | None) -> Answer:
    if fault is not None and fault in _STATUSES:
        return _STATUSES[fault]
    if asked.page == DOWNLOAD:
        return download(desk, asked.path, asked.header(b"range"), fault)
    answering = PAGES.get(asked.page) or BATCH_PAGES.get(asked.page)
    if answering is None:
        return _ABSENT
    if asked.parameters.get("dataset", desk.library.dataset) != desk.library.dataset:
        return _STATUSES["404"]
    try:
        return answering(desk, asked.parameters, fault)
    except RefusalError as error:
        return detail(422, *error.args)
    except (KeyError, ValueError):
        return detail(422, "invalid_request", "The request is not understood.")
