"""Finds free loopback ports, for servers that cannot choose one themselves."""

import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """Returns `preferred` if nothing listens on that port, otherwise a port that the system reports as free.

    Another process may take the port before the server does. A caller that needs to be certain tries again with another
    port.
    """
    for port in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                continue
            chosen: int = listener.getsockname()[1]
            return chosen
    raise OSError("no port is free")
