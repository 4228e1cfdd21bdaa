"""Requests as bytes: with headers of odd sizes and kinds, or against the rules of HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

_TYPES: Final = (
    *("application/json", "application/json; charset=utf-16", "text/plain", "text/html", "application/xml"),
    *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/octet-stream", ";", "é"),
)
_METHODS: Final = ("PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get", "post")
_TARGETS: Final = (
    *(
        "{}/",
        "/{}",
        "{}?x=%ff",
        "{}?action=save&action=erase",
        "{}?" + "q" * 4000,
        "{}#x",
        "http://other{}",
        "/../..{}",
    ),
    *(
        "/%2e%2e{}",
        "{}%00",
        "{}%ff",
        "{};x=1",
        "/v1{}",
        "*",
        "/slots/-1",
        "/slots/99999999999?action=erase",
        "/slots/0",
    ),
    *("/slots/٣?action=erase", "/slots/0?action=fly", "/cache/explain/-1", "/cache/explain/1e9", "/v1/responses/%ff"),
    *("/v1/responses/" + "x" * 3000, "/v1/messages/none", "/v1/models/x"),
)
_MANY: Final = 90


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as far as its answer depends on it. `has_key`: it bears a key that opens the server."""

    method: str
    target: str
    has_key: bool = True

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


def framed(random: Random, asked: Asked, body: bytes, key: str, *, is_odd: bool) -> bytes:
    """A request as HTTP allows it; if it may be odd, it is so at times."""
    method, target, version, headers = asked.method, asked.target, "1.1", _usual(random, key)
    luck = random.random() if is_odd else 1.0
    if luck < 0.02:
        headers.append(("Content-Type", random.choice(_TYPES)))
    elif luck < 0.03:
        headers += [(f"X-{i}", "x" * random.randrange(100)) for i in range(_MANY)]
    elif luck < 0.04:
        headers.append(("X-Long", "x" * random.choice((1000, 8000, 16_000))))
    elif luck < 0.05:
        headers += random.choice(_FURTHER)
    elif luck < 0.06:
        version = "1.0"
    if 0.06 < luck < 0.1:
        return _head(method, target, version, [*headers, ("Transfer-Encoding", "chunked")]) + _chunked(random, body)
    return _head(method, target, version, [*headers, ("Content-Length", str(len(body)))]) + body


_FURTHER: Final = (
    [("Expect", "100-continue")],
    [("Expect", "200-ok")],
    [("Connection", "close")],
    [("Connection", "Upgrade"), ("Upgrade", "websocket")],
    [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")],
    [("Origin", "null")],
    [("Origin", "http://[")],
    [("Accept-Encoding", "gzip, br"), ("Accept", "image/png"), ("Range", "bytes=0-1")],
    [("Cookie", "\xff\xfe"), ("X-Empty", ""), ("X-Forwarded-For", "::1")],
    [("Content-Encoding", "gzip")],
)


def astray(random: Random, asked: Asked) -> Asked:
    """The request with another method or target than was meant."""
    if random.random() < 0.3:
        return Asked(random.choice(_METHODS), asked.target)
    target = random.choice(_TARGETS).format(asked.path)
    return Asked(asked.method, target if target.isascii() else target.encode("ascii", "replace").decode())


def malformed(random: Random, asked: Asked, body: bytes, key: str) -> bytes:
    """What breaks a rule of HTTP, or ends too soon, and may pass for the request that is asked."""
    return random.choice(_BREAKS)(random, asked, body, key)


def _usual(random: Random, key: str) -> list[tuple[str, str]]:
    return [("Host", "localhost"), ("x-api-key", key) if random.random() < 0.3 else ("Authorization", f"Bearer {key}")]


def _head(method: str, target: str, version: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _chunked(random: Random, body: bytes) -> bytes:
    size = random.choice((1, 7, 100, 65536)) if len(body) < 5000 else 65536
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _with(*headers: tuple[str, str]) -> Callable[[Random, Asked, bytes, str], bytes]:
    def make(random: Random, asked: Asked, body: bytes, key: str) -> bytes:
        return _head(asked.method, asked.target, "1.1", [*_usual(random, key), *headers]) + body

    return make


def _length_lies(random: Random, asked: Asked, body: bytes, key: str) -> bytes:
    length = len(body) + random.choice((-20, -1, 1, 1000, 10**9, 10**18))
    return _with(("Content-Length", str(max(0, length))))(random, asked, body, key)


def _too_short(random: Random, asked: Asked, body: bytes, key: str) -> bytes:
    whole = framed(random, asked, body, key, is_odd=False)
    return whole[: random.randrange(len(whole))]


def _noise(random: Random, *_: object) -> bytes:
    return random.choice(_NOISES)


_NOISES: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\nHost: x\n\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
    b"G" * 100_000,
    b"\r\n" * 1000,
    b"\x00" * 1000,
    b"{}",
)
_BREAKS: Final[tuple[Callable[[Random, Asked, bytes, str], bytes], ...]] = (
    *(_length_lies, _length_lies, _too_short, _too_short, _too_short, _noise, _noise),
    *(_with(("Content-Length", value)) for value in ("-1", "abc", "1" * 40, "1, 2", "0x10", "")),
    _with(("Content-Length", "5"), ("Content-Length", "6")),
    _with(("Content-Length", "5"), ("Transfer-Encoding", "chunked")),
    _with(("Transfer-Encoding", "chunked")),
    _with(("Transfer-Encoding", "gzip")),
    _with(("Bad Name", "x"), ("Content-Length", "0")),
    _with(("", "x")),
)
