"""Finds text in a system prompt that is likely to differ in the next request.

Works on ASCII bytes, one for each character. What a candidate looks like is looked for with array operations and
plain searches, and only candidates meet a regular expression: half a megabyte takes a few milliseconds.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MAX_SPANS = 4
MERGE_CHARS = 512
"""Spans on the same or on neighbouring lines and nearer than this count as one."""
_MAX_CANDIDATES = 512

_MONTH = (
    rb"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    rb"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_WEEKDAY = rb"(?:Mon|Tue(?:s)?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\.?"
_DAY = rb"[0-3]?[0-9](?:st|nd|rd|th)?"
_STAMP = re.compile(
    rb"(?:20[0-9]{2}([-/])[01]?[0-9]\1[0-3]?[0-9]|[0-3]?[0-9]([-/])[0-3]?[0-9]\2(?:20)?[0-9]{2}"
    rb"|[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?)(?![0-9])"
)
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])")
_HASH = re.compile(rb"(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{16,}(?![0-9a-z_])")
_EPOCH = re.compile(rb"1[5-9][0-9]{8}(?:[0-9]{3})?(?![0-9a-z])")
_AFTER_MONTH = re.compile(_MONTH + rb" +(?:" + _DAY + rb"(?![0-9])|20[0-9]{2})")
_BEFORE_MONTH = re.compile(rb"(?:" + _WEEKDAY + rb",? +)?(" + _DAY + rb"(?: of)?[ -]+)?\Z")
_EXAMPLE = re.compile(rb"(?:e\.g|example|format|such as|like|default|yyyy)[^\n]{0,40}\Z")
_VALUE = rb"[\"'`*]*(?: is)?\s?[:=>]\s{0,2}[\"'`]?(?=[^\s{\[<])"
_WITH_DIGIT = rb"(?=[0-9a-z_-]{0,40}[0-9])"
_KEYS = {
    b"directory": _VALUE,
    b"cwd": _VALUE,
    b"branch": rb"(?:" + _VALUE + rb"| (?=[a-z0-9/_-]+\n))",
    b"git": rb" ?status" + _VALUE,
    b"session": rb"(?:[ _-]?id)?" + _VALUE + _WITH_DIGIT,
    b"conversation": rb"(?:[ _-]?id)?" + _VALUE + _WITH_DIGIT,
    b"request": rb"(?:[ _-]?id)?" + _VALUE + _WITH_DIGIT,
    b"turn": rb"(?: number)?(?:" + _VALUE + rb"| #?)(?=[0-9])",
    b"x-anthropic-billing-header": rb": ?",
}
_KEY_VALUES = {key: re.compile(key + value) for key, value in _KEYS.items()}


def find_volatile(text: str) -> tuple[int, ...]:
    """Offsets of at most `MAX_SPANS` values that look volatile, the earliest, ascending.

    Dates, times, timestamps, UUIDs, hashes, working directories, git states and counters.
    """
    written = text.encode("ascii", "replace")
    data = written.lower()
    candidates = sorted({*_numbers(data), *_dates(written), *_values(data)})
    found: list[int] = []
    last = -MERGE_CHARS
    for offset in candidates:
        if _EXAMPLE.search(data, max(0, offset - 48), offset):
            continue
        is_near = found and offset - last < MERGE_CHARS and data.count(b"\n", last, offset) <= 1
        last = offset
        if not is_near:
            found.append(offset)
            if len(found) == MAX_SPANS:
                break
    return tuple(found)


def _numbers(data: bytes) -> Iterator[int]:
    """Dates, times, timestamps, UUIDs and hashes written in digits."""
    array = np.frombuffer(data, np.uint8)
    is_digit = (array - np.uint8(ord("0"))) < 10
    is_hex = is_digit | ((array - np.uint8(ord("a"))) < 6)
    starts, lengths = _runs(is_digit)
    following = array[np.minimum(starts + lengths, len(array) - 1)]
    is_date = (lengths <= 4) & ((following == ord("-")) | (following == ord("/")) | (following == ord(":")))
    yield from _matching(_STAMP, data, starts[is_date & is_digit[np.minimum(starts + lengths + 1, len(array) - 1)]])
    yield from _matching(_EPOCH, data, starts[(lengths == 10) | (lengths == 13)])
    starts, lengths = _runs(is_hex)
    yield from _matching(_UUID, data, starts[lengths == 8])
    yield from _matching(_HASH, data, starts[lengths >= 16])


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and lengths of the runs of true."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2] - edges[::2]


def _matching(pattern: re.Pattern[bytes], data: bytes, starts: NDArray[np.intp]) -> Iterator[int]:
    """Those of the first candidates at which `pattern` matches, and which are not the rest of a longer word."""
    for start in starts[:_MAX_CANDIDATES].tolist():
        before = data[start - 1 : start]
        if not (before.isalnum() or before in (b"_", b".", b":", b"-", b"/")) and pattern.match(data, start):
            yield start


def _dates(data: bytes) -> Iterator[int]:
    """Dates with the name of a month, from their first word."""
    for match in _AFTER_MONTH.finditer(data):
        start = match.start()
        before = None if data[start - 1 : start].isalpha() else _BEFORE_MONTH.search(data, max(0, start - 24), start)
        if before and (before[1] or not match[0][-4:].isdigit()):
            yield before.start()


def _values(data: bytes) -> Iterator[int]:
    """Values of keys that name a place, a state or a count."""
    for key, pattern in _KEY_VALUES.items():
        for start in _occurrences(data, key):
            match = None if data[start - 1 : start].isalpha() else pattern.match(data, start)
            if match:
                yield match.end()


def _occurrences(data: bytes, word: bytes) -> Iterator[int]:
    """Where `word` occurs, the first ones."""
    start = data.find(word)
    for _ in range(_MAX_CANDIDATES):
        if start < 0:
            return
        yield start
        start = data.find(word, start + len(word))
