"""The simulated Databento archive: its HTTP interface over TLS on 127.0.0.1, from a library, faults on request."""

from __future__ import annotations

import base64
import json
import ssl
import struct
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
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

from core.clock import iso_ns, utc_day
from providers.simulated.certificate import make_certificate
from providers.simulated.databento_faults import DATA, ArchiveFaults, Fault
from providers.simulated.databento_library import Library, encode_header
from providers.simulated.faults import NO_FAULTS, FaultPlan

RETRY_AFTER_S: Final = 7
_RECEIVE_BYTES = 16_384
_MAX_BODY_BYTES = 1 << 20
_PREFIX = "/v0/"


@attrs.frozen(kw_only=True)
class RunningArchive:
    """Where the archive is found, and the certificate its clients must trust (`REQUESTS_CA_BUNDLE`). Each name put in
    `faults` spoils one answer, in order; `asked` lists the requests that came, as (path, parameters)."""

    rest_url: str
    certificate: Path
    faults: deque[Fault]
    asked: list[tuple[str, Mapping[str, str]]]


@attrs.frozen
class _Answer:
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


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
        running = RunningArchive(
            rest_url=f"https://127.0.0.1:{listeners[0].socket.getsockname()[1]}",
            certificate=certificate,
            faults=deque(),
            asked=[],
        )
        task_status.started(running)
        serve = partial(_serve_client, library, key, running, ArchiveFaults(plan), context)
        await trio.serve_listeners(serve, listeners)


async def _serve_client(
    library: Library,
    key: str,
    running: RunningArchive,
    planned: ArchiveFaults,
    context: ssl.SSLContext,
    plain: trio.SocketStream,
) -> None:
    stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
    connection = h11.Connection(h11.SERVER)
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, ssl.SSLError):
        request, body = await _next_request(connection, stream)
        if request is None:
            return
        parts = urlsplit(request.target.decode("ascii", "replace"))
        asked = {
            name: values[-1] for name, values in parse_qs(f"{parts.query}&{body.decode('utf-8', 'replace')}").items()
        }
        running.asked.append((parts.path, asked))
        page = parts.path.removeprefix(_PREFIX)
        fault = running.faults.popleft() if running.faults else planned.next(page)
        if fault == "mute":
            await stream.receive_some(1)
            return
        answer = _answer(library, parts.path, asked, fault) if _is_authorised(request, key) else _REFUSED
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


async def _send(
    connection: h11.Connection, stream: trio.SSLStream[Any], answer: _Answer, fault: Fault | None
) -> None:
    headers = [*answer.headers, ("Connection", "close"), ("Transfer-Encoding", "chunked")]
    if fault == "warning":
        headers.append(("X-Warning", json.dumps(["BentoWarning: the archive\x1b[31m warns"])))
    body = answer.body
    if fault in {"half", "silent_half"}:
        body = body[: len(body) // 2]
    head = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    await stream.send_all(head + (connection.send(h11.Data(data=body)) or b""))
    if fault == "half":
        stream.transport_stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        return
    await stream.send_all(connection.send(h11.EndOfMessage()) or b"")


def _is_authorised(request: h11.Request, key: str) -> bool:
    given = next((value for name, value in request.headers if name == b"authorization"), b"")
    return given == b"Basic " + base64.b64encode(f"{key}:".encode())


def _detail(status: int, case: str, message: str) -> _Answer:
    detail = {"case": case, "message": message, "status_code": status, "docs": "", "payload": {}}
    return _Answer(json.dumps({"detail": detail}).encode(), status)


_REFUSED: Final = _detail(401, "auth_authentication_failed", "Authentication failed.")
_STATUSES: Final[Mapping[str, _Answer]] = {
    "429": attrs.evolve(
        _detail(429, "rate_limited", "Too many requests."), headers=(("Retry-After", str(RETRY_AFTER_S)),)
    ),
    "500": _detail(500, "internal_error", "Something went wrong."),
    "422": _detail(422, "data_time_range_start_on_or_after_end", "The range is empty."),
    "402": _detail(402, "billing_limit", "The account's limit is reached."),
    "404": _detail(404, "dataset_not_found", "There is no such dataset."),
    "page": _Answer(b"<html>maintenance</html>"),
}


def _answer(library: Library, path: str, asked: Mapping[str, str], fault: Fault | None) -> _Answer:
    if fault is not None and fault in _STATUSES:
        return _STATUSES[fault]
    answering = _ANSWERS.get(path.removeprefix(_PREFIX))
    if answering is None:
        return _detail(404, "not_found", "There is no such page.")
    if asked.get("dataset", library.dataset) != library.dataset:
        return _STATUSES["404"]
    try:
        return answering(library, asked, fault)
    except (KeyError, ValueError):
        return _detail(422, "invalid_request", "The request is not understood.")


def _json(value: Any) -> _Answer:
    return _Answer(json.dumps(value).encode())


def _range(library: Library, _asked: Mapping[str, str], _fault: Fault | None) -> _Answer:
    start, end = map(iso_ns, library.span_ns)
    return _json(
        {"start": start, "end": end, "schema": {name: {"start": start, "end": end} for name in library.schemas}}
    )


def _condition(library: Library, _asked: Mapping[str, str], _fault: Fault | None) -> _Answer:
    days = dict.fromkeys(utc_day(each.ts_event_ns) for each in library.records)
    return _json([{"date": day, "condition": "available", "last_modified_date": day} for day in days])


def _resolve(library: Library, asked: Mapping[str, str], _fault: Fault | None) -> _Answer:
    symbols = asked["symbols"].split(",")
    numbers = library.numbers(symbols)
    span = {"d0": asked["start_date"], "d1": asked.get("end_date", asked["start_date"])}
    return _json(
        {
            "result": {symbol: [{**span, "s": str(number)}] for symbol, number in numbers.items()},
            "partial": [],
            "not_found": [symbol for symbol in symbols if symbol not in numbers],
            "message": "OK",
            "status": 0,
        }
    )


def _selected(library: Library, asked: Mapping[str, str]) -> Sequence[bytes]:
    limit = int(asked["limit"]) if "limit" in asked else None
    found = library.select(
        asked["schema"], asked["symbols"].split(","), start_ns=int(asked["start"]), end_ns=int(asked["end"])
    )
    return [each.encoded for each in found][:limit]


def _counted(library: Library, asked: Mapping[str, str], _fault: Fault | None) -> _Answer:
    return _json(len(_selected(library, asked)))


def _sized(library: Library, asked: Mapping[str, str], _fault: Fault | None) -> _Answer:
    return _json(sum(map(len, _selected(library, asked))))


def _priced(library: Library, asked: Mapping[str, str], _fault: Fault | None) -> _Answer:
    return _json(round(sum(map(len, _selected(library, asked))) / 1e6, 8))


def _data(library: Library, asked: Mapping[str, str], fault: Fault | None) -> _Answer:
    import zstandard

    start_ns, end_ns = int(asked["start"]), int(asked["end"])
    header = encode_header(
        library.dataset,
        schema="status" if fault == "wrong_schema" else asked["schema"],
        start_ns=start_ns,
        end_ns=end_ns,
        names=library.numbers(asked["symbols"].split(",")),
        live=False,
    )
    if fault == "bad_header":
        header = header[:4] + (100).to_bytes(4, "little") + bytes(100)
    body = zstandard.ZstdCompressor(write_checksum=True).compress(header + b"".join(_selected(library, asked)))
    if fault == "corrupt":
        middle = len(body) * 2 // 3
        body = body[:middle] + bytes(octet ^ 0x55 for octet in body[middle : middle + 16]) + body[middle + 16 :]
    return _Answer(body)


_ANSWERS: Final[Mapping[str, Callable[[Library, Mapping[str, str], Fault | None], _Answer]]] = {
    "metadata.list_datasets": lambda library, _asked, _fault: _json([library.dataset]),
    "metadata.list_schemas": lambda library, _asked, _fault: _json(list(library.schemas)),
    "metadata.get_dataset_range": _range,
    "metadata.get_dataset_condition": _condition,
    "metadata.get_record_count": _counted,
    "metadata.get_billable_size": _sized,
    "metadata.get_cost": _priced,
    "symbology.resolve": _resolve,
    DATA: _data,
}
