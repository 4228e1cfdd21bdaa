"""Reads an object that a model is writing, and passes on the JSON of it that is already certain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from segue.chat.reply.body import markers_of
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.values import from_json, to_json

_MOST_DEPTH: Final = 32
_DELIMITERS: Final = markers_of(*",:}]){[(\"' \t\r\n")
_KEY_ENDS: Final = markers_of(*"=:,{}[]()\"'")
_WORDS: Final = {"True": "true", "False": "false", "None": "null", "none": "null"}
_JSON_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"'}
_PYTHON_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", '"': '"', "'": "'"}
_OTHER_PYTHON_ESCAPES: Final = "avxuUN01234567\n"


class UnclearError(Exception):
    """The text breaks its notation, or is in one that can be read only as a whole."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How objects are written: `quotes` delimit strings with escapes, `raw_quote` strings without any.

    Keys have quotes, or none if `has_bare_keys`.
    """

    quotes: tuple[str, ...] = ('"',)
    raw_quote: str = ""
    has_bare_keys: bool = False
    is_python: bool = False


JSON: Final = Notation()
PYTHON: Final = Notation(quotes=('"', "'"), is_python=True)


class Scanner:
    """Passes the JSON of an object to `take` while the object arrives.

    Strings grow with the text. All else is passed on once the next value begins, which tells that what came before it
    is over: the last bracket never is. Reading raises `UnclearError` where that could be wrong.
    """

    def __init__(self, reader: Reader, take: Callable[[str], None], notation: Notation) -> None:
        self._reader = reader
        self._take = take
        self._notation = notation
        self._waiting: list[str] = []

    def members(self, end: str, depth: int = 0) -> Reading[None]:
        """Read the members of an object whose opening bracket was read already, and its closing bracket `end`."""
        if depth > _MOST_DEPTH:
            raise UnclearError
        keys: set[str] = set()
        self._waiting.append("{")
        yield from self._reader.spaces()
        while not (yield from self._reader.accept(markers_of(end))):
            yield from self._separate(is_first=not keys)
            key = (yield from self._parameter()) if end == ")" else (yield from self._key())
            if key in keys:
                raise UnclearError
            keys.add(key)
            self._waiting.append(f"{to_json(key)}: ")
            yield from self._value(depth)
        self._waiting.append("}")

    def _list(self, depth: int) -> Reading[None]:
        if depth > _MOST_DEPTH:
            raise UnclearError
        self._waiting.append("[")
        is_first = True
        yield from self._reader.spaces()
        while not (yield from self._reader.accept(markers_of("]"))):
            yield from self._separate(is_first=is_first)
            yield from self._value(depth)
            is_first = False
        self._waiting.append("]")

    def _separate(self, *, is_first: bool) -> Reading[None]:
        if not is_first:
            yield from self.expect(",")
            self._waiting.append(", ")

    def expect(self, text: str) -> Reading[None]:
        """Read this text, and white space after it."""
        if not (yield from self._reader.accept(markers_of(text))):
            raise UnclearError
        yield from self._reader.spaces()

    def plain_string(self) -> Reading[str]:
        """Read a string without escapes, such as a name."""
        quote = yield from self._reader.accept(markers_of(*self._notation.quotes))
        pieces: list[str] = []
        marker = yield from self._reader.until(markers_of(quote, "\\"), pieces.append)
        if not quote or marker != quote:
            raise UnclearError
        self._reader.skip(1)
        yield from self._reader.spaces()
        return "".join(pieces)

    def _key(self) -> Reading[str]:
        if (yield from self._reader.peek()) in self._notation.quotes:
            key = yield from self.plain_string()
        elif self._notation.has_bare_keys:
            key = yield from self._word()
        else:
            raise UnclearError
        yield from self.expect(":")
        return key

    def _parameter(self) -> Reading[str]:
        """Read a name and the sign behind it, as for an argument in Python."""
        key = yield from self._word()
        yield from self.expect("=")
        if not (key.isascii() and key.isidentifier()) or (yield from self._reader.peek()) == "=":
            raise UnclearError
        return key

    def _word(self) -> Reading[str]:
        pieces: list[str] = []
        yield from self._reader.until(_KEY_ENDS, pieces.append)
        word = "".join(pieces).strip()
        if not word:
            raise UnclearError
        return word

    def _value(self, depth: int) -> Reading[None]:
        reader, notation = self._reader, self._notation
        if notation.raw_quote and (yield from reader.accept(markers_of(notation.raw_quote))):
            yield from self._raw_string()
        elif (following := (yield from reader.peek())) in notation.quotes:
            yield from self._string(following)
        elif following == "{":
            reader.skip(1)
            yield from self.members("}", depth + 1)
        elif following == "[":
            reader.skip(1)
            yield from self._list(depth + 1)
        else:
            yield from self._scalar()
        yield from reader.spaces()

    def _scalar(self) -> Reading[None]:
        pieces: list[str] = []
        marker = yield from self._reader.until(_DELIMITERS, pieces.append)
        text = "".join(pieces)
        if self._notation.is_python:
            text = _WORDS.get(text, text)
        try:
            value = from_json(text)
        except ValueError:
            raise UnclearError from None
        if not marker:
            raise UnclearError
        self._pass_on()
        self._waiting.append(to_json(value))

    def _string(self, quote: str) -> Reading[None]:
        reader = self._reader
        reader.skip(1)
        if self._notation.is_python and (yield from reader.accept(markers_of(quote))):
            if (yield from reader.peek()) == quote:
                raise UnclearError
            self._waiting.append('""')
            return
        self._begin_string()
        ends = markers_of(quote, "\\")
        while (marker := (yield from reader.until(ends, self._say))) != quote:
            if not marker:
                raise UnclearError
            reader.skip(1)
            yield from self._escape()
        reader.skip(1)
        self._waiting.append('"')

    def _raw_string(self) -> Reading[None]:
        self._begin_string()
        quote = self._notation.raw_quote
        if not (yield from self._reader.until(markers_of(quote), self._say)):
            raise UnclearError
        self._reader.skip(len(quote))
        self._waiting.append('"')

    def _escape(self) -> Reading[None]:
        """Read an escape whose backslash was read already."""
        char = yield from self._reader.peek()
        self._reader.skip(len(char))
        is_python = self._notation.is_python
        meaning = (_PYTHON_ESCAPES if is_python else _JSON_ESCAPES).get(char)
        if meaning is not None:
            self._say(meaning)
        elif char == "u" and not is_python:
            yield from self._code_point()
        elif char and is_python and char not in _OTHER_PYTHON_ESCAPES:
            self._say("\\" + char)
        else:
            raise UnclearError

    def _code_point(self) -> Reading[None]:
        """Read the number of a code point, or of half a surrogate pair, which the other half may follow."""
        code = yield from self._hexadecimal()
        while 0xD800 <= code < 0xDC00 and (yield from self._reader.accept(markers_of("\\u"))):
            other = yield from self._hexadecimal()
            if 0xDC00 <= other < 0xE000:
                code = 0x10000 + ((code - 0xD800) << 10) + (other - 0xDC00)
            else:
                self._say(chr(code))
                code = other
        self._say(chr(code))

    def _hexadecimal(self) -> Reading[int]:
        digits = ""
        while len(digits) < 4:
            digit = yield from self._reader.peek()
            if digit not in set("0123456789abcdefABCDEF"):
                raise UnclearError
            digits += self._reader.skip(1)
        return int(digits, 16)

    def _begin_string(self) -> None:
        self._waiting.append('"')
        self._pass_on()

    def _say(self, text: str) -> None:
        self._take(to_json(text)[1:-1])

    def _pass_on(self) -> None:
        self._take("".join(self._waiting))
        self._waiting.clear()
