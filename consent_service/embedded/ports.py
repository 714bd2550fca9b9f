"""Ports on 127.0.0.1: finding a free one, and saying clearly that one is taken."""

from __future__ import annotations

import errno
import secrets
import socket

from consent_service.embedded.errors import EngineError, PortTaken

HOST = "127.0.0.1"
FIRST_PORT = 20_000
PORTS = 12_000
TRIES = 100


def free_port() -> int:
    """A port that nobody listens on, chosen at random below those that systems give to outgoing connections.

    So it stays free while an engine is down and clients try to reach it again and again.
    """
    for _ in range(TRIES):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise EngineError(f"no free port was found on {HOST}")


def demand_free(engine: str, port: int) -> None:
    """Raises PortTaken when something listens on the port; connections in TIME_WAIT do not count.

    A port that may not be used at all (below 1024 for ordinary users) is an EngineError with the reason.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(engine, port) from None
            raise EngineError(f"{engine} cannot use port {port} on {HOST}: {error.strerror}") from None
