"""Replies that nearly keep to their family's notation, by the number: the same seed and number make the same one."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from tests.fuzz.notations import NOTATIONS, Bit, Bits, Call

TOOLS: Final[list[dict[str, Any]]] = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": properties, **further}},
    }
    for name, properties, further in (
        (
            "write",
            {"path": {"type": "string"}, "content": {"type": "string"}},
            {"required": ["path", "content"], "additionalProperties": False},
        ),
        ("find", {"query": {"type": "string"}, "limit": {"type": "integer"}, "exact": {"type": "boolean"}}, {}),
        ("mark", {"names": {"type": "array", "items": {"type": "string"}}, "more": {"type": "object"}}, {}),
        ("ping", {}, {"additionalProperties": False}),
    )
]
WORD: Final = re.compile(r"w\d+x")


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A reply of a family, and the calls that were written into it.

    `is_clear`: schema and notation leave no doubt about them, so that they all must come out. `is_cut`: nothing closes
    the last call. `is_mixed`: markers stand in or behind other values than those that they were written for.
    """

    number: int
    family: str
    text: str
    calls: tuple[Call, ...]
    how: str
    is_clear: bool
    is_cut: bool
    is_mixed: bool

    def __str__(self) -> str:
        return f"near-miss {self.number}, {self.family}, {self.how}: {self.text!r}, calls {self.calls}"


def make_near_miss(seed: int, number: int) -> NearMiss:
    """The near-miss of a number."""
    random = Random(f"{seed}:{number}")
    family = random.choice([*NOTATIONS])
    notation = random.choice(NOTATIONS[family])
    maker = _Maker(random, [bit for bit in notation([("ping", {}), ("find", {"limit": 1})]) if bit.role in MARKERS])
    calls = [maker.call() for _ in range(random.choice((1, 1, 2, 3)))]
    bits = notation(calls)
    how, change, is_clear = random.choice(_CHANGES)
    changed = change(random, bits)
    text = "".join(bit.text for bit in changed)
    if family not in ("Llama 4", "Llama 3", "gpt-oss") and random.random() < 0.3:
        text = f"{maker.words(3)}\n\n{text}"
    is_same = changed == bits and how != "nothing"
    return NearMiss(
        number,
        family,
        text,
        tuple(calls),
        "nothing" if is_same else how,
        (is_clear or is_same) and not maker.quotes,
        how == "cut off" or (changed[-1].role or changed[-2].role) not in ("call end", "section end", "object"),
        how in _MIXED or (maker.quotes and not is_same),
    )


class _Maker:
    """Makes calls whose strings sometimes speak of `markers`. Each word that it writes is unlike all others."""

    def __init__(self, random: Random, markers: Bits) -> None:
        self._random = random
        self._markers = markers
        self._n_words = 0
        self.quotes = False

    def words(self, n: int) -> str:
        self._n_words += n
        return " ".join(f"w{i}x" for i in range(self._n_words - n, self._n_words))

    def call(self) -> Call:
        random = self._random
        match random.choice(("write", "write", "find", "mark", "ping")):
            case "write":
                arguments: dict[str, Any] = {"path": self.words(1), "content": self._text()}
            case "find":
                arguments = {"query": self._text(), "limit": random.randrange(100), "exact": random.random() < 0.5}
            case "mark":
                arguments = {"names": [self.words(1), self.words(2)], "more": {"a": self.words(1), "b": [1, None]}}
            case _:
                return "ping", {}
        items = list(arguments.items())
        random.shuffle(items)
        name = next(name for name in ("write", "find", "mark") if set(arguments) <= _KEYS[name])
        return name, dict(items[: random.randrange(1, len(items) + 1)])

    def _text(self) -> str:
        """A string: words, signs that notations use, or markers."""
        luck = self._random.random()
        if luck < 0.5:
            return self.words(self._random.randrange(1, 6))
        if luck < 0.8:
            return self._random.choice(
                (
                    f"{self.words(1)}, {self.words(1)}: {self.words(1)}",
                    f"{self.words(1)}\n{self.words(2)}\n\n{self.words(1)}",
                    f"say \"{self.words(1)}\" and '{self.words(1)}'",
                    f"{{{self.words(1)}: [{self.words(1)}]}}",
                    f"it's {self.words(1)} = {self.words(1)}",
                )
            )
        self.quotes = True
        if luck < 0.9 and self._markers:
            marker = self._random.choice(self._markers).text
            return self._random.choice(("{0} {1} {2}", "{0}\n{1}\n{2}", "{0}\n{1}", "`{1}` {0}")).format(
                self.words(1), marker, self.words(1)
            )
        inner = self._random.choice([one for ones in NOTATIONS.values() for one in ones])
        quoted = "".join(bit.text for bit in inner([("ping", {}), ("find", {"query": self.words(1)})]))
        return f"{self.words(1)}\n{quoted}\n{self.words(1)}"


_KEYS: Final = {tool["function"]["name"]: set(tool["function"]["parameters"]["properties"]) for tool in TOOLS}


MARKERS: Final = {
    *("section", "section end", "call", "call end", "parameter", "parameter end"),
    *("between", "start", "channel", "prefix", "constrain", "message"),
}
"""The roles of what may be missing, or stand where it should not."""


def _marked(random: Random, bits: Bits, *roles: str) -> int:
    """The index of a marker, one of these roles if any are given; -1 if there is none."""
    found = [i for i, bit in enumerate(bits) if bit.text and (bit.role in roles if roles else bit.role in MARKERS)]
    return random.choice(found) if found else -1


def _replaced(bits: Bits, i: int, *new: Bit) -> Bits:
    return [*bits[:i], *new, *bits[i + 1 :]] if i >= 0 else bits


def _nothing(_: Random, bits: Bits) -> Bits:
    return bits


def _dropped(random: Random, bits: Bits) -> Bits:
    return _without(bits, _marked(random, bits))


def _without(bits: Bits, i: int) -> Bits:
    """Without a marker; what closes a value takes its line along."""
    is_line = 0 <= i < len(bits) - 1 and bits[i].role == "parameter end" and bits[i - 1].text == "\n"
    return _replaced(bits[: i + 1] + bits[i + 2 :] if is_line else bits, i)


def _doubled(random: Random, bits: Bits) -> Bits:
    i = _marked(random, bits)
    return _replaced(bits, i, bits[i], Bit(random.choice(("", "\n"))), bits[i])


def _swapped(random: Random, bits: Bits) -> Bits:
    i, j = _marked(random, bits), _marked(random, bits)
    changed = list(bits)
    if i >= 0:
        changed[i], changed[j] = bits[j], bits[i]
    return changed


def _quoted(random: Random, bits: Bits) -> Bits:
    i, quote = _marked(random, bits), random.choice("`'\"")
    return _replaced(bits, i, Bit(quote), bits[i], Bit(quote))


def _cut_off(random: Random, bits: Bits) -> Bits:
    text = "".join(bit.text for bit in bits)
    return [Bit(text[: random.randrange(len(text))])]


def _strayed(random: Random, bits: Bits) -> Bits:
    i, j = _marked(random, bits), random.randrange(len(bits) + 1)
    return [*bits[:j], Bit(bits[i].text), *bits[j:]] if i >= 0 else bits


def _spaced(random: Random, bits: Bits) -> Bits:
    i = _marked(random, bits, "section", "call end", "parameter end", "section end", "call")
    space = random.choice(("\n", " ", "\n\n", "  "))
    if i < 0:
        return bits
    is_end = bits[i].role.endswith("end")
    before, behind = (Bit(""), Bit(space)) if is_end else (Bit(space), Bit(""))
    return _replaced(bits, i, before, bits[i], behind)


def _unprefixed(_: Random, bits: Bits) -> Bits:
    return [
        replace(bit, text=bit.text.removesuffix("functions.").replace("call:", ""))
        if bit.role in ("call", "prefix")
        else bit
        for bit in bits
    ]


def _unclosed(random: Random, bits: Bits) -> Bits:
    return _without(bits, _marked(random, bits, "parameter end"))


def _requoted(_: Random, bits: Bits) -> Bits:
    """Objects as Python writes them, where they are JSON."""
    changed = []
    for bit in bits:
        try:
            changed.append(replace(bit, text=repr(json.loads(bit.text))) if bit.role == "object" else bit)
        except ValueError:
            changed.append(bit)
    return changed


_MIXED: Final = {"two markers are swapped", "a marker stands where none should", "a marker is quoted"}


def _signs(text: str) -> list[int]:
    """Where the signs of an object stand that are in no string."""
    found, quote = [], ""
    for sign in re.finditer(r"""\\.|<escape>|<\|"\|>|[{}\[\]",:'=()]""", text):
        is_quote = sign[0] in ('"', "'", "<escape>", '<|"|>')
        if (not quote or sign[0] == quote) and len(sign[0]) == 1:
            found.append(sign.start())
        if is_quote and quote in ("", sign[0]):
            quote = "" if quote else sign[0]
    return found


def _unsigned(random: Random, bits: Bits) -> Bits:
    """An object without one of its signs."""
    i = _marked(random, bits, "object")
    signs = _signs(bits[i].text) if i >= 0 else []
    if not signs:
        return bits
    place = random.choice(signs)
    return _replaced(bits, i, replace(bits[i], text=bits[i].text[:place] + bits[i].text[place + 1 :]))


Change = Callable[[Random, Bits], Bits]
_CHANGES: Final[Sequence[tuple[str, Change, bool]]] = (
    ("nothing", _nothing, True),
    ("a marker is missing", _dropped, False),
    ("a marker stands twice", _doubled, False),
    ("two markers are swapped", _swapped, False),
    ("a marker is quoted", _quoted, False),
    ("cut off", _cut_off, False),
    ("a marker stands where none should", _strayed, False),
    ("white space between markers", _spaced, True),
    ("names without prefix", _unprefixed, True),
    ("a value is not closed", _unclosed, True),
    ("Python's quotes", _requoted, True),
    ("a sign is missing", _unsigned, False),
)
