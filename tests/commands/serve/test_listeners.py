"""Several addresses, Unix sockets and certificates."""

import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from segue.commands.serve.errors import StartError
from segue.commands.serve.listeners import bind, check_certificate, close, open_hosts, url_of
from segue.settings import Settings
from tests.kit.waiting import PATIENCE_S
from tests.test_cli import segue


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and its certificate for this machine."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


@pytest.fixture
def listen() -> Iterator[list[tuple[list[socket.socket], Settings]]]:
    """Settings with the listeners that were made of them, to be closed afterwards."""
    made: list[tuple[list[socket.socket], Settings]] = []
    yield made
    for listeners, settings in made:
        close(listeners, settings)


def test_every_host_gets_a_listener(listen: list[tuple[list[socket.socket], Settings]], tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    settings = Settings(host=f"127.0.0.1, ::1,{path}", port=0, api_prefix="/llm")
    listeners = bind(settings)
    listen.append((listeners, settings))
    port = listeners[0].getsockname()[1]
    assert [url_of(listener, settings) for listener in listeners] == [
        f"http://127.0.0.1:{port}/llm",
        f"http://[::1]:{port}/llm",
        f"unix:{path}",
    ]
    assert open_hosts(listeners) == []
    close(listeners, settings)
    assert not path.exists()


def test_hosts_that_others_reach_are_told(listen: list[tuple[list[socket.socket], Settings]]) -> None:
    settings = Settings(host="0.0.0.0,::", port=0)
    listen.append((bind(settings), settings))
    assert open_hosts(listen[0][0]) == ["0.0.0.0", "::"]


def test_an_address_of_another_machine_is_not_blamed_on_the_port() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1:\d+: .*; choose another --host"):
        bind(Settings(host="192.0.2.1"))


def test_a_port_may_be_shared_if_all_say_so(listen: list[tuple[list[socket.socket], Settings]]) -> None:
    first = Settings(port=0, reuse_port=True)
    listen.append((bind(first), first))
    port = listen[0][0][0].getsockname()[1]
    second = Settings(port=port, reuse_port=True)
    listen.append((bind(second), second))
    with pytest.raises(StartError, match="choose another --port"):
        bind(Settings(port=port))


def test_a_socket_of_a_server_that_was_killed_is_replaced_and_no_other_file(
    listen: list[tuple[list[socket.socket], Settings]], tmp_path: Path
) -> None:
    path = tmp_path / "a.sock"
    settings = Settings(host=str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(str(path))
    listen.append((bind(settings), settings))
    with pytest.raises(StartError, match=r"cannot listen on .*a\.sock: Address already in use; choose another --host"):
        bind(settings)
    text = tmp_path / "text.sock"
    text.write_text("keep me")
    with pytest.raises(StartError, match="Address already in use"):
        bind(Settings(host=str(text)))
    assert text.read_text() == "keep me"
    with pytest.raises(StartError, match=r"cannot listen on .*none"):
        bind(Settings(host=str(tmp_path / "none" / "a.sock")))


@pytest.mark.parametrize("host", ["..", "a..b", "a" * 64, "ä" * 70])
def test_what_can_be_no_host_is_told_in_a_line(host: str) -> None:
    with pytest.raises(StartError, match=r"^cannot listen on .*: that is no name of a host; check --host$"):
        bind(Settings(host=host, port=0))


def test_what_was_taken_is_given_back_where_another_host_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError, match="choose another --port"):
        bind(Settings(host=f"{path},127.0.0.1", port=taken.getsockname()[1]))
    assert not path.exists()


def test_certificates_that_cannot_be_used(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    key, cert = certificate
    text = tmp_path / "text.pem"
    text.write_text("no key")
    check_certificate(Settings(ssl_key_file=key, ssl_cert_file=cert))
    for key_file, cert_file, part in (
        (tmp_path / "none", cert, "--ssl-key-file: cannot read"),
        (key, tmp_path / "none", "--ssl-cert-file: cannot read"),
        (text, cert, "are no certificate with its key"),
        (key, key, "are no certificate with its key"),
    ):
        with pytest.raises(StartError, match=part):
            check_certificate(Settings(ssl_key_file=key_file, ssl_cert_file=cert_file))


def test_a_server_at_several_addresses_with_tls_a_prefix_and_a_log(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    key, cert = certificate
    model, path, log = tmp_path / "tiny.gguf", tmp_path / "a.sock", tmp_path / "log.txt"
    model.write_bytes(b"GGUF and so on")
    flags = ["--host", f"127.0.0.1,{path}", "--port", "0", "--ssl-key-file", str(key), "--ssl-cert-file", str(cert)]
    flags += ["--api-prefix", "/llm", "--threads-http", "3", "--log-file", str(log), "--swa-full", "--tags", "a,b"]
    with segue("serve", "-m", str(model), *flags) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "serves" in line)
        assert line.endswith(f"; also at unix:{path}\n")
        url = re.search(r"https://\S+", line)
        assert url is not None
        context = ssl.create_default_context(cafile=cert)
        assert httpx.get(f"{url[0]}/health", verify=context, timeout=PATIENCE_S).json() == {"status": "ok"}
        transport = httpx.HTTPTransport(uds=str(path), verify=context)
        with httpx.Client(transport=transport, timeout=PATIENCE_S) as client:
            model_card = client.get("https://localhost/llm/v1/models").json()["data"][0]
            assert model_card["tags"] == ["a", "b"]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    assert not path.exists()
    assert "passed over --swa-full: " in log.read_text()
