"""A certificate for 127.0.0.1 made on the spot, for the simulated servers that must speak TLS."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Final

import trio

from core.errors import ConfigurationError

_SUBJECT: Final = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
_KIND: Final = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


async def make_certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context and the file that its clients are to trust, `directory` being for the two files alone.

    Raises:
        ConfigurationError: this machine has no `openssl` program, or it fails.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", *_KIND, "-keyout", str(key), "-out", str(certificate), *_SUBJECT]
    try:
        await trio.run_process(command, capture_stdout=True, capture_stderr=True)
    except OSError as error:
        raise ConfigurationError("cannot make a certificate", "no openssl program", hint="install openssl") from error
    except subprocess.CalledProcessError as error:
        raise ConfigurationError("cannot make a certificate", f"openssl ended with {error.returncode}") from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate
