"""Near-misses of all notations: what comes out was meant, all of it comes out, and pieces do not matter."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from types import FrameType
from typing import Any

import pytest

from segue.chat.reply.whole import Whole, parts_whole
from tests.chat.reply.kit import BY_NAME, cut, merged, n_unfinished, parse
from tests.fuzz.near_misses import TOOLS, WORD, NearMiss, make_near_miss
from tests.fuzz.notations import Call, to_json

SEED = 1
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
ENDLESS = [
    ("Qwen XML", "<function=write><parameter=content>\n", "</parameter>\n", ""),
    ("Qwen XML", "<function=write><parameter=content>\n", "<parameter=path>\n", ""),
    ("Qwen XML", "<function=write><parameter=content>\n", "</function></parameter>", ""),
    ("Qwen XML", "<function=write><parameter=content>\n", "<tool_call>\n<function=ping>", ""),
    ("Qwen XML", "<function=write><parameter=content>\n", "<parameter=path>\n</parameter>\n", ""),
    ("Qwen XML", "<function=find><parameter=limit>\n", "</function>\n", ""),
    ("Qwen XML", "<function=mark><parameter=more>\n", "{}</parameter>", ""),
    ("Qwen XML", "<function=find>", "<parameter=x>1</parameter>", ""),
    ("Hermes", "<think>", "`</think>` ", ""),
    ("Hermes", "<tool_call>{'name': 'write', 'arguments': {'path': ", "'x', ", "}}</tool_call>"),
    ("Hermes", "<tool_call>{'name': 'write', 'arguments': {'path': '", "it's 'x' ", "'}}</tool_call>"),
    ("Gemma 4", "<|tool_call>call:write{path:", '<|"|>a', "}<tool_call|>"),
    ("Gemma 4", "<|tool_call>call:write{path:", "x, y: ", "}<tool_call|>"),
    ("Gemma 4", "<|tool_call>call:write{path:", "x", "}<tool_call|>"),
    ("LFM2", "<|tool_call_start|>[write(path: ", "'x' ", ")]<|tool_call_end|>"),
    ("gpt-oss", "<|channel|>final<|message|>", "<|channel|>final ", ""),
    ("gpt-oss", "", "<|channel|>commentary to=ping ", ""),
]
"""Families, how a reply begins, what it then repeats, and how it ends."""
EVERY_CUT = 100
"""One of so many is cut in two at every place."""


def faults(near_miss: NearMiss) -> Iterator[str]:
    """What is wrong with how a near-miss is taken apart."""
    family, text, random = BY_NAME[near_miss.family], near_miss.text, Random(near_miss.number)
    at_once = list(merged(parse(family, [text], tools=TOOLS)))
    cuts = [list(range(len(text))), [random.randrange(len(text) + 1) for _ in range(random.randrange(1, 9))]]
    if near_miss.number % EVERY_CUT == 0:
        cuts += [[place] for place in range(1, len(text))]
    for places in cuts:
        if list(merged(parse(family, cut(text, places), tools=TOOLS))) != at_once:
            yield f"cut at {places[:9]} it is another"
    said = parts_whole(at_once)
    yield from faults_of_stream(near_miss, cuts, said)
    called = [(name, json.loads(arguments)) for name, arguments in said.calls]
    meant = iter(near_miss.calls)
    if near_miss.is_mixed:
        is_right = all(is_possible(call) and is_unmixed(call, near_miss.calls) for call in called)
    else:
        is_right = all(call in meant for call in called)
    if not is_right:
        yield f"calls {called}"
    if near_miss.is_clear and len(called) != len(near_miss.calls):
        yield f"only calls {called}"
    if not (near_miss.is_cut and called) and (missing := words(text) - words(shown(said))):
        yield f"{sorted(missing)} are missing in {said}"


def faults_of_stream(near_miss: NearMiss, cuts: Sequence[Sequence[int]], said: Whole) -> Iterator[str]:
    """What is wrong if calls are passed on while they are written."""
    family, text = BY_NAME[near_miss.family], near_miss.text
    parts = parse(family, [text], tools=TOOLS, streams_calls=True)
    streamed = list(merged(parts))
    for places in cuts:
        if list(merged(parse(family, cut(text, places), tools=TOOLS, streams_calls=True))) != streamed:
            yield f"streamed and cut at {places[:9]} it is another"
    if parts_whole(parts).calls != said.calls:
        yield f"streamed it calls {parts_whole(parts).calls}"
    n = n_unfinished(parts)
    if n == 0 and parts_whole(parts) != said:
        yield f"streamed it says {parts_whole(parts)}"
    if n and near_miss.is_clear:
        yield f"streamed it has {n} unfinished calls"


def is_possible(call: Call) -> bool:
    """Whether the schema of a tool allows a call, but for what it lacks."""
    name, arguments = call
    schema = SCHEMAS.get(name)
    if schema is None or (
        schema.get("additionalProperties") is False and not arguments.keys() <= schema["properties"].keys()
    ):
        return False
    listed = [
        (value, schema["properties"][key]["type"]) for key, value in arguments.items() if key in schema["properties"]
    ]
    return all(type(value) is TYPES[kind] for value, kind in listed)


def is_unmixed(call: Call, meant: Sequence[Call]) -> bool:
    """Whether the words of each value come from one value that was meant."""
    values = [words(to_json(value)) for _, arguments in meant for value in arguments.values()]
    return all(any(words(to_json(value)) <= one for one in values) for value in call[1].values())


def words(text: str) -> Counter[str]:
    return Counter(WORD.findall(text))


def shown(said: Whole) -> str:
    return " ".join((said.content, said.reasoning, *(arguments for _, arguments in said.calls)))


def check(first: int, n: int) -> None:
    found = [
        f"{fault}; {near_miss}"
        for near_miss in (make_near_miss(SEED, number) for number in range(first, first + n))
        for fault in faults(near_miss)
    ]
    assert not found, f"{len(found)} faults\n" + "\n\n".join(found[:10])


def n_steps(family: str, text: str) -> int:
    """How many lines of Python run while a reply comes character by character."""
    n = 0

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal n
        n += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse(family, text, tools=TOOLS)
    finally:
        sys.settrace(before)
    return n


@pytest.mark.parametrize(("family", "begin", "unit", "end"), ENDLESS)
def test_work_grows_with_the_text_only(family: str, begin: str, unit: str, end: str) -> None:
    few, many = (n_steps(family, begin + unit * (n // len(unit)) + end) for n in (3000, 12_000))
    assert many < 5 * few + 1000


def test_a_few_thousand() -> None:
    check(0, 2000)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand() -> None:
    check(10_000, 100_000)
