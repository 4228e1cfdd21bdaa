"""What one client does: the bytes that it sends, how it sends them, and what it may expect for them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from tests.fuzz.bodies import GETS, POSTS, Json
from tests.fuzz.framing import Asked, astray, framed, malformed
from tests.fuzz.oddities import LONG_CHARS, altered, with_long_text, written

LONG_EVERY: Final = 1500
"""Of so many requests one has a text of ten million characters."""
_WRONG_KEYS: Final = ("", "wrong", "x" * 5000, "\xff", "Bearer ")


class Manner(StrEnum):
    """How a client behaves. Only one that is `PLAIN`, `DRIPPING` or `PAUSING` waits for its answers."""

    PLAIN = "plain"
    DRIPPING = "dripping"
    PAUSING = "pausing"
    VANISHING = "vanishing"
    LEAVING = "leaving"
    DEAF = "deaf"


@dataclass(frozen=True, slots=True)
class Case:
    """One client's requests, `asked` in order, and their bytes. `is_http`: it has a right to an answer to each."""

    number: int
    asked: tuple[Asked, ...]
    wire: bytes
    manner: Manner = Manner.PLAIN
    is_http: bool = True

    @property
    def waits(self) -> bool:
        """Whether the client is there when the answer comes."""
        return self.manner in (Manner.PLAIN, Manner.DRIPPING, Manner.PAUSING)

    @property
    def is_long(self) -> bool:
        """Whether it has one of the longest texts."""
        return len(self.wire) > LONG_CHARS

    def __str__(self) -> str:
        asked = ", ".join(f"{one.method} {one.target}" for one in self.asked) or "no HTTP"
        return f"case {self.number}, {self.manner}: {asked}; {self.wire[:600]!r}"


def make_case(seed: int, number: int, key: str, secret: str) -> Case:
    """The case of a number, always the same, for the holder of an API key with a secret in some of its texts."""
    random = Random(f"{seed}:{number}")
    if random.random() < 0.06:
        asked, body = _request(random, number, secret)
        return Case(number, (asked,), malformed(random, asked, body, key), _slow(random), is_http=False)
    if number % LONG_EVERY == LONG_EVERY // 2:
        target, valid = random.choice([(target, valid) for target, bodies in POSTS.items() for valid in bodies])
        asked, body = Asked("POST", target), written(with_long_text(random, valid))
        return Case(number, (asked,), framed(random, asked, body, key, is_odd=False))
    n_requests = random.randrange(2, 5) if random.random() < 0.04 else 1
    requests = [
        _keyed(random, *_request(random, number, secret), key, is_odd=n_requests == 1) for _ in range(n_requests)
    ]
    return Case(number, tuple(asked for asked, _ in requests), b"".join(wire for _, wire in requests), _slow(random))


def _keyed(random: Random, asked: Asked, body: bytes, key: str, *, is_odd: bool) -> tuple[Asked, bytes]:
    """A request and its bytes; sometimes to another place than was meant, or without the key."""
    luck = random.random()
    if luck < 0.03:
        asked = astray(random, asked)
    elif luck > 0.98:
        asked, key = replace(asked, has_key=False), random.choice(_WRONG_KEYS)
    return asked, framed(random, asked, body, key, is_odd=is_odd)


def _slow(random: Random) -> Manner:
    return random.choice([*Manner][1:]) if random.random() < 0.06 else Manner.PLAIN


def _request(random: Random, number: int, secret: str) -> tuple[Asked, bytes]:
    luck = random.random()
    if luck < 0.03:
        return Asked("GET", random.choice(GETS)), b""
    target = random.choice([*POSTS])
    body: Json = random.choice(POSTS[target])
    if luck < 0.1:
        return Asked("POST", target), _cut(random, written(body))
    value: object = body
    for _ in range(random.choice((0, 0, 0, 1, 1, 1, 1, 2, 2, 3))):
        value = altered(random, value, (secret, f"{secret} {number}"))
    return Asked("POST", target), written(value)


def _cut(random: Random, body: bytes) -> bytes:
    """The body with a piece gone, doubled or overwritten, whatever that makes of it."""
    start = random.randrange(len(body))
    end = min(len(body), start + random.choice((1, 1, 2, 10, 10_000)))
    new = random.choice((b"", b"", body[start:end] * 2, random.randbytes(end - start), b"\x00", b"\xff"))
    return body[:start] + new + body[end:]
