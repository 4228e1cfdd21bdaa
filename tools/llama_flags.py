"""Reads the flags of llama-server out of llama.cpp's source: `python tools/llama_flags.py LLAMA_CPP/common/arg.cpp`.

Prints what `src/segue/commands/serve/llama_flags.json` holds: facts alone, as names and numbers of values.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from segue.commands.serve.llama_flags import LlamaFlag

_START = re.compile(r"(?<=add_opt\()common_arg\(")
_COMMENT = re.compile(r"(?m)^\s*//.*$")
_LISTS = re.compile(r"\s*\{([^{}]*)\}\s*,(?:\s*\{([^{}]*)\}\s*,)?")
_STRING = re.compile(r'"([^"]*)"')
_HANDLER = re.compile(r"\[\]\s*\(common_params\s*&([^)]*)\)")
_CALL = re.compile(r"\.\s*set_(\w+)\s*\(([^)]*)\)")
# A list of programs that has a name of its own; the server is in it.
_MEDIA_PROGRAMS = "mmproj_examples"
_PROGRAMS = ("LLAMA_EXAMPLE_COMMON", "LLAMA_EXAMPLE_SERVER", _MEDIA_PROGRAMS)


def server_flags(source: str) -> list[LlamaFlag]:
    """The rows of `common/arg.cpp` that llama-server takes, in their order. Raises ValueError for a strange one."""
    # A flag may be declared twice, for the server and for other programs.
    return list(dict.fromkeys(_rows(_COMMENT.sub("", source))))


def listed(flags: list[LlamaFlag]) -> str:
    """The rows as the committed table holds them, each on a line."""
    return "[\n" + ",\n".join(json.dumps(asdict(flag)) for flag in flags) + "\n]\n"


def _rows(source: str) -> Iterator[LlamaFlag]:
    starts = [match.end() for match in _START.finditer(source)]
    for start, end in zip(starts, [*starts[1:], len(source)], strict=True):
        row = source[start:end]
        lists, handler = _LISTS.match(row), _HANDLER.search(row)
        if lists is None or handler is None:
            raise ValueError(f"a row that is not understood: {row[:80]!r}")
        calls = dict(_CALL.findall(row))
        programs = calls.get("examples", "LLAMA_EXAMPLE_COMMON")
        if any(name in programs for name in _PROGRAMS) and "LLAMA_EXAMPLE_SERVER" not in calls.get("excludes", ""):
            env = _STRING.search(calls.get("env", ""))
            n_values = 0 if "bool" in handler[1] else handler[1].count(",")
            names, negatives = (tuple(_STRING.findall(part or "")) for part in lists.groups())
            yield LlamaFlag(names, negatives, n_values, env[1] if env is not None else "")


if __name__ == "__main__":
    sys.stdout.write(listed(server_flags(Path(sys.argv[1]).read_text(encoding="utf-8"))))
