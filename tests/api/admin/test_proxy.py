"""GET and POST /cors-proxy."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.kit.live import Live, live


class Target(ThreadingHTTPServer):
    """Says what it was sent, and answers 204 to what is sent to /empty."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, str, bytes]] = []
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Target

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append((self.command, self.path, body))
        self.server.headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(204 if self.path == "/empty" else 418)
        self.send_header("Content-Type", "text/tea")
        self.send_header("Set-Cookie", "a=b")
        self.end_headers()
        if self.path != "/empty":
            self.wfile.write(b"tea")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_nothing_is_fetched_unless_it_is_allowed(server: Live, target: Target) -> None:
    for method in ("GET", "POST"):
        assert server.http.request(method, "/cors-proxy", params={"url": target.url}).status_code == 403
    assert server.http.get("/props").json()["cors_proxy_enabled"] is False
    assert target.heard == []


def test_a_request_is_passed_on_with_the_headers_that_are_meant_for_it(target: Target) -> None:
    with live(ui_mcp_proxy=True, api_key=["k"]) as server:
        params = {"url": f"{target.url}/pot?size=2"}
        assert server.http.get("/cors-proxy", params=params).status_code == 401
        own = {"Authorization": "Bearer k", "Cookie": "c=d", "X-Api-Key": "k"}
        meant = {
            "x-llama-server-proxy-header-authorization": "Bearer explicit",
            "x-llama-server-proxy-header-accept": "a/b",
        }
        response = server.http.post("/cors-proxy", params=params, content=b"leaves", headers=own | meant)
        assert (response.status_code, response.text, response.headers["content-type"]) == (418, "tea", "text/tea")
        assert "set-cookie" not in response.headers
        assert target.heard == [("POST", "/pot?size=2", b"leaves")]
        assert (target.headers["authorization"], target.headers["accept"]) == ("Bearer explicit", "a/b")
        assert not {"cookie", "x-api-key"} & target.headers.keys()


def test_what_has_no_body(target: Target) -> None:
    with live(ui_mcp_proxy=True) as server:
        response = server.http.get("/cors-proxy", params={"url": f"{target.url}/empty"})
        assert (response.status_code, response.content) == (204, b"")


def test_what_cannot_be_fetched(target: Target) -> None:
    target.server_close()
    with live(ui_mcp_proxy=True) as server:
        for url in ("", "file:///etc/passwd", "http://", "http://a:b@127.0.0.1/", "http://h:port/", "127.0.0.1"):
            assert server.http.get("/cors-proxy", params={"url": url}).status_code == 400, url
        assert server.http.get("/cors-proxy", params={"url": "http://127.0.0.1:1/"}).status_code == 502
