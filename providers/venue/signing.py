"""Requests to venues, and how each kind of signature is made. Pure: instants are arguments, nothing is sent.

A secret never leaves this file but as a signature made with it: no `repr`, no error and no log shows one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode

import attrs

from core.clock import NS_PER_MS
from core.errors import ConfigurationError

Parameters = Mapping[str, str]
"""Names and values of a query or a form, in the order in which they are sent."""


@attrs.frozen(kw_only=True)
class Request:
    """One request: `query` and `body` are URL-encoded texts exactly as they are sent, without a question mark.

    `repeatable` is false for what must not happen twice: it is then sent once, whatever becomes of it.
    """

    path: str
    method: str = "GET"
    query: str = ""
    body: str = attrs.field(default="", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    repeatable: bool = True

    @property
    def said(self) -> str:
        """What errors and logs call it: neither its parameters nor its headers."""
        return f"{self.method} {self.path}"


class Signer(Protocol):
    """Makes a request one that the venue takes as ours. Called anew for every attempt."""

    def sign(self, request: Request, *, now_ns: int) -> Request:
        """`request` with what proves that it is ours; `now_ns` is the wall clock."""


@attrs.frozen
class Credentials:
    """A venue's key and its secret, both hidden from `repr`."""

    key: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        # A line break in a header would be an error of the HTTP library's, which shows the header.
        for text in (self.key, self.secret):
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise ConfigurationError("bad API credentials", "the key or the secret is empty or garbled")

    def decoded_secret(self) -> bytes:
        """The secret that a base64 text stands for.

        Raises:
            ConfigurationError: it is none; the error does not show it.
        """
        try:
            return base64.b64decode(self.secret, validate=True)
        except binascii.Error:
            raise ConfigurationError("bad API credentials", "the secret is not base64") from None


class Nonces:
    """Numbers that rise with every call for the same key, from any thread: the wall clock's milliseconds where they
    do. One object serves a whole process."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._lock = threading.Lock()

    def next(self, key: str, *, now_ns: int) -> int:
        """A number above every one given out for `key` before."""
        with self._lock:
            number = max(self._newest.get(key, 0) + 1, now_ns // NS_PER_MS)
            self._newest[key] = number
        return number


def nonce_form_signature(secret: bytes, *, path: str, nonce: str, body: str) -> str:
    """Base64 of HMAC-SHA512 over the path and SHA256 of nonce and form: Kraken spot's `API-Sign`.

    `body` is the form as sent, and holds the nonce as well.
    """
    return _sha512(secret, path.encode() + hashlib.sha256((nonce + body).encode()).digest())


def nonce_path_signature(secret: bytes, *, path: str, nonce: str, parameters: str) -> str:
    """Base64 of HMAC-SHA512 over SHA256 of parameters, nonce and path: Kraken Futures' `Authent`.

    `parameters` are the URL-encoded query or form as sent; `path` is without `/derivatives`.
    """
    return _sha512(secret, hashlib.sha256((parameters + nonce + path).encode()).digest())


def challenge_signature(secret: bytes, challenge: str) -> str:
    """The answer to the challenge of Kraken Futures' private feeds."""
    return _sha512(secret, hashlib.sha256(challenge.encode()).digest())


def query_signature(secret: str, text: str) -> str:
    """Hex of HMAC-SHA256 over query and body as sent: Binance's `signature`."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class NonceFormSigner:
    """Signs forms as Kraken spot wants it. Raises `ConfigurationError` for a secret that is not base64."""

    def __init__(self, credentials: Credentials, nonces: Nonces) -> None:
        self._key = credentials.key
        self._secret = credentials.decoded_secret()
        self._nonces = nonces

    def sign(self, request: Request, *, now_ns: int) -> Request:
        """The request with its nonce first in the form, and the signature of both."""
        nonce = str(self._nonces.next(self._key, now_ns=now_ns))
        body = "&".join(part for part in (urlencode({"nonce": nonce}), request.body) if part)
        signature = nonce_form_signature(self._secret, path=request.path, nonce=nonce, body=body)
        headers = {**request.headers, "API-Key": self._key, "API-Sign": signature}
        return attrs.evolve(request, body=body, headers=headers)


class NoncePathSigner:
    """Signs query or form as Kraken Futures wants it. Raises `ConfigurationError` for a secret that is not base64."""

    _UNSIGNED = "/derivatives"

    def __init__(self, credentials: Credentials, nonces: Nonces) -> None:
        self._key = credentials.key
        self._secret = credentials.decoded_secret()
        self._nonces = nonces

    def sign(self, request: Request, *, now_ns: int) -> Request:
        """The request with its nonce and signature in headers."""
        nonce = str(self._nonces.next(self._key, now_ns=now_ns))
        path = request.path.removeprefix(self._UNSIGNED)
        parameters = request.query + request.body
        signature = nonce_path_signature(self._secret, path=path, nonce=nonce, parameters=parameters)
        headers = {**request.headers, "APIKey": self._key, "Nonce": nonce, "Authent": signature}
        return attrs.evolve(request, headers=headers)


class QuerySigner:
    """Signs the query as Binance wants it."""

    def __init__(self, credentials: Credentials, *, window_ms: int = 5000) -> None:
        assert 0 < window_ms <= 60_000
        self._credentials = credentials
        self._window_ms = window_ms

    def sign(self, request: Request, *, now_ns: int) -> Request:
        """The request with the time, how long it is good for, and the signature at the end of its query."""
        stamp = urlencode({"recvWindow": str(self._window_ms), "timestamp": str(now_ns // NS_PER_MS)})
        query = "&".join(part for part in (request.query, stamp) if part)
        signature = query_signature(self._credentials.secret, query + request.body)
        headers = {**request.headers, "X-MBX-APIKEY": self._credentials.key}
        return attrs.evolve(request, query=f"{query}&signature={signature}", headers=headers)


def _sha512(secret: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(secret, message, hashlib.sha512).digest()).decode()
