"""A bare TCP server on loopback, for those that speak ill on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

Handle = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handle) -> AsyncIterator[int]:
    """A TCP server that handles each connection so; yields its port. Who hangs up is no error."""

    async def guarded(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await handle(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, guarded, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
