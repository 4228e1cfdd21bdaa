"""The sockets that a server listens on, and the certificate that it shows."""

import errno
import ipaddress
import socket
import ssl
import stat
from collections.abc import Sequence
from pathlib import Path

from segue.commands.serve.errors import StartError
from segue.settings import Settings

_BACKLOG = 2048
_UNIX = ".sock"


def bind(settings: Settings) -> list[socket.socket]:
    """Take all addresses before anything slow begins; clients that connect from now on wait.

    With port 0, all hosts share the free port of the first one. Raises StartError, for a port in use among others.
    """
    listeners: list[socket.socket] = []
    port = settings.port
    try:
        for host in settings.hosts:
            if host.endswith(_UNIX):
                listeners.append(_unix(host))
            else:
                # Beside another address, :: must leave IPv4 to it.
                listeners.append(_tcp(host, port, settings, is_alone=len(settings.hosts) == 1))
                port = listeners[-1].getsockname()[1]
    except StartError:
        for listener in listeners:
            if listener.family == socket.AF_UNIX:
                Path(listener.getsockname()).unlink(missing_ok=True)
            listener.close()
        raise
    return listeners


def check_certificate(settings: Settings) -> None:
    """Raise StartError unless the certificate and its key can be used, or there are none."""
    if settings.ssl_cert_file is None or settings.ssl_key_file is None:
        return
    for flag, path in (("--ssl-cert-file", settings.ssl_cert_file), ("--ssl-key-file", settings.ssl_key_file)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise StartError(f"{flag}: cannot read {path}: {error.strerror}") from error
    try:
        # A key with a password would ask for it on the terminal.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.ssl_cert_file, settings.ssl_key_file, password=lambda: ""
        )
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"--ssl-cert-file: {settings.ssl_cert_file} and {settings.ssl_key_file} are no certificate with its key, "
            "both as PEM and the key without a password"
        ) from error


def close(listeners: Sequence[socket.socket], settings: Settings) -> None:
    """Close what is still open, and remove the files of Unix sockets."""
    for listener in listeners:
        listener.close()
    for host in settings.hosts:
        if host.endswith(_UNIX):
            Path(host).unlink(missing_ok=True)


def url_of(listener: socket.socket, settings: Settings) -> str:
    """How clients reach a listener."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    scheme = "http" if settings.ssl_cert_file is None else "https"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{settings.api_prefix}"


def open_hosts(listeners: Sequence[socket.socket]) -> list[str]:
    """The addresses that other machines can reach."""
    hosts = [listener.getsockname()[0] for listener in listeners if listener.family != socket.AF_UNIX]
    return [host for host in hosts if not ipaddress.ip_address(host).is_loopback]


def _tcp(host: str, port: int, settings: Settings, *, is_alone: bool) -> socket.socket:
    address = f"{host}:{port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no name of a host"
        raise StartError(f"cannot listen on {address}: {reason}; check --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.reuse_port and hasattr(socket, "SO_REUSEPORT"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and not is_alone:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        flag = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
        raise StartError(f"cannot listen on {address}: {error.strerror}; choose another {flag}") from error
    return listener


def _unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_abandoned(Path(path))
        listener.bind(path)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {path}: {error.strerror or error}; choose another --host") from error
    return listener


def _remove_abandoned(path: Path) -> None:
    """Remove a socket that nobody listens on: it stays behind when a server is killed."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if is_socket and probe.connect_ex(str(path)) != 0:
            path.unlink()
