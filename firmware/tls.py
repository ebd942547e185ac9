"""TLS 1.3 client contexts from PEM files, and where plain text is allowed. Knows files; not whom they connect to."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from firmware.config import ConfigError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NO_PASSWORD = ""
"""An encrypted key is a fault: nobody is there to be asked."""


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PEM files for a connection that both sides prove; without ``cert`` and ``key`` only the broker is proven."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse half a certificate.

        Raises:
            ValueError: one of ``cert`` and ``key`` stands alone.
        """
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: give both or neither")

    def context(self, table: str) -> ssl.SSLContext:
        """A TLS 1.3 client context; ``table`` names the configuration's in errors.

        Raises:
            ConfigError: a file is missing or is not what its key says.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            if self.cert is not None and self.key is not None:
                context.load_cert_chain(str(self.cert), str(self.key), _NO_PASSWORD)
        except OSError as error:
            files = f"ca {self.ca}, cert {self.cert}, key {self.key}"
            raise ConfigError(f"{table}: {files}: {error.strerror or error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


def may_be_plain(host: str) -> bool:
    """Whether a connection to ``host`` never leaves this machine."""
    return host in _LOOPBACK
