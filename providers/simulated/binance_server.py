"""Binance spot's combined streams from the venue's side: one client's session of requests and answers.

Written from the protocol alone, so that a mistake in our client is not repeated here.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec

from providers.simulated.dialogue import Opening, Reply

STREAM_PATH = "/stream"
_METHODS = frozenset({"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"})
_MOST_STREAMS = 1024


class BinanceDialogue:
    """One client's session; `target` is the path it connected to, which may name streams. Streams nobody knows are
    accepted and stay silent, as Binance does."""

    def __init__(self, target: str, *, opening: Opening) -> None:
        self.keys: set[str] = set()
        self._opening = opening
        for stream in parse_qs(urlsplit(target).query).get("streams", [""])[0].split("/"):
            if stream:
                self._add(stream)

    def opened(self) -> list[Reply]:
        """Nothing: Binance does not greet."""
        return []

    def each_second(self) -> list[Reply]:
        """Nothing: Binance has no heartbeat."""
        return []

    def handle(self, text: str) -> list[Reply]:
        """The answers to one request."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return [_error(3, f"Invalid JSON: {error}", None)]
        if not isinstance(request, dict):
            return [_error(2, "Invalid request: request must be an object", None)]
        number = request.get("id")
        method, parameters = request.get("method"), request.get("params", [])
        if not isinstance(method, str) or method not in _METHODS:
            return [_error(2, "Invalid request: unknown variant of `method`", number)]
        if method == "LIST_SUBSCRIPTIONS":
            return [_answer(sorted(self.keys), number)]
        if not isinstance(parameters, list) or not all(isinstance(each, str) for each in parameters):
            return [_error(2, "Invalid request: `params` must be an array of strings", number)]
        return self._change(method, parameters, number)

    def _change(self, method: str, streams: list[str], number: object) -> list[Reply]:
        if method == "UNSUBSCRIBE":
            self.keys.difference_update(streams)
            return [_answer(None, number)]
        if len(self.keys | set(streams)) > _MOST_STREAMS:
            return [_error(2, f"Invalid request: more than {_MOST_STREAMS} streams", number)]
        return [_answer(None, number), *(Reply(text, data=True) for stream in streams for text in self._add(stream))]

    def _add(self, stream: str) -> list[str]:
        self.keys.add(stream)
        return self._opening(stream)


def _answer(result: object, number: object) -> Reply:
    return Reply(msgspec.json.encode({"result": result, "id": number}).decode(), data=False)


def _error(code: int, text: str, number: object) -> Reply:
    return Reply(msgspec.json.encode({"code": code, "msg": text, "id": number}).decode(), data=False)
