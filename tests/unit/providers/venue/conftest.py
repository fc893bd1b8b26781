"""What the tests of streams share: whatever they prove holds for each way of reading frames."""

from __future__ import annotations

import pytest

from providers.venue.frame_socket import open_frame_socket
from providers.venue.library_socket import open_library_socket
from providers.venue.ws_client import OpenSocket, run_feed


@pytest.fixture(params=[open_frame_socket, open_library_socket], ids=["frames", "library"])
def each_socket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> OpenSocket:
    """Run the test once with each implementation behind `run_feed`."""
    open_socket: OpenSocket = request.param
    defaults = run_feed.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "open_socket", open_socket)
    return open_socket
