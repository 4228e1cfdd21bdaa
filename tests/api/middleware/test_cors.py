"""Pages of other origins."""

import pytest

from tests.kit.live import Live, live

ALLOW_ORIGIN = "access-control-allow-origin"


def test_any_origin_is_echoed_by_default(server: Live) -> None:
    for method, path in (("GET", "/health"), ("GET", "/no/such"), ("OPTIONS", "/v1/chat/completions")):
        headers = server.http.request(method, path, headers={"origin": "https://page.example"}).headers
        assert headers[ALLOW_ORIGIN] == "https://page.example"
        assert headers["access-control-allow-credentials"] == "true"
    assert ALLOW_ORIGIN not in server.http.get("/health").headers


def test_names_of_headers_have_their_capitals(server: Live) -> None:
    """As llama-server writes them: some clients look for just that."""
    raw = server.http.options("/completions", headers={"origin": "https://page.example"}).headers.raw
    names = {name for name, _ in raw if name.lower().startswith(b"access-control-")}
    assert names == {
        b"Access-Control-Allow-Credentials",
        b"Access-Control-Allow-Headers",
        b"Access-Control-Allow-Methods",
        b"Access-Control-Allow-Origin",
    }


def test_options_are_answered_for_every_path(server: Live) -> None:
    response = server.http.options("/completions", headers={"origin": "https://page.example"})
    assert (response.status_code, response.text) == (200, "")
    assert response.headers["access-control-allow-methods"] == "GET, POST, DELETE, OPTIONS"
    assert response.headers["access-control-allow-headers"] == "*"


def test_a_preflight_allows_the_headers_that_the_page_asks_for(server: Live) -> None:
    """A star covers neither `Authorization` nor anything that comes with credentials."""
    asked = "authorization, content-type, x-stainless-os"
    preflight = {"origin": "https://page.example", "access-control-request-headers": asked}
    response = server.http.options("/v1/chat/completions", headers=preflight)
    assert response.headers["access-control-allow-headers"] == asked
    with live(cors_headers="content-type") as running:
        response = running.http.options("/v1/chat/completions", headers=preflight)
    assert response.headers["access-control-allow-headers"] == "content-type"


def test_a_stream_has_the_headers_too(server: Live) -> None:
    body = {"prompt": "x", "stream": True}
    response = server.http.post("/v1/completions", json=body, headers={"origin": "https://page.example"})
    assert response.headers[ALLOW_ORIGIN] == "https://page.example"


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://localhost", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", True),
        ("http://localhost.evil.example", False),
        ("http://notlocalhost", False),
        ("http://[broken", False),
        ("null", False),
    ],
)
def test_localhost_only(origin: str, is_allowed: bool) -> None:
    with live(cors_origins="localhost") as running:
        headers = running.http.get("/health", headers={"origin": origin}).headers
    assert headers.get(ALLOW_ORIGIN) == (origin if is_allowed else None)


def test_a_list_of_origins() -> None:
    with live(cors_origins="https://a.example, https://b.example") as running:
        origins = ("https://a.example", "https://b.example", "https://c.example")
        found = [running.http.get("/health", headers={"origin": o}).headers.get(ALLOW_ORIGIN) for o in origins]
    assert found == ["https://a.example", "https://b.example", None]


def test_without_credentials_a_star_is_enough() -> None:
    with live(cors_credentials=False) as running:
        headers = running.http.get("/health").headers
    assert headers[ALLOW_ORIGIN] == "*"
    assert headers["access-control-allow-credentials"] == "false"


def test_only_pages_of_this_machine_may_use_the_proxy_by_default() -> None:
    page = {"Origin": "http://evil.example"}
    with live(ui_mcp_proxy=True) as running:
        assert "access-control-allow-origin" not in running.http.get("/health", headers=page).headers
        response = running.http.get("/health", headers={"Origin": "http://localhost:1"})
        assert response.headers["access-control-allow-origin"] == "http://localhost:1"
    with live(ui_mcp_proxy=True, cors_origins="*") as running:
        assert running.http.get("/health", headers=page).headers["access-control-allow-origin"] == page["Origin"]
