"""Flags of llama-server that Segue does not have: ignored, or refused with advice."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

from cyclopts import Parameter
from pydantic import ValidationError

from segue.settings import Settings

_PASSED_OVER = (
    *("--jinja", "--metrics", "--cont-batching", "-cb", "--no-context-shift", "--kv-unified", "-kvu"),
    *(
        "--cache-idle-slots",
        "--perf",
        "--no-perf",
        "--ui",
        "--no-ui",
        "--webui",
        "--no-webui",
        "--warmup",
        "--no-warmup",
        "--offline",
    ),
)
_CHECKPOINTS = "Segue keeps checkpoints as long as their memory lasts: see --cache-ram and --cache-parked"
_DRAFTS = "Segue does not guess tokens ahead"
_DOWNLOADS = "Segue downloads nothing: pass a file with --model"
_REFUSED = {
    "--mlock": "use --load-mode mlock",
    "--no-mmap": "use --load-mode none",
    "--ctx-checkpoints": _CHECKPOINTS,
    "-ctxcp": _CHECKPOINTS,
    "--swa-checkpoints": _CHECKPOINTS,
    "--checkpoint-min-step": _CHECKPOINTS,
    "-cms": _CHECKPOINTS,
    "--swa-full": _CHECKPOINTS,
    "--cache-reuse": "Segue reuses whole prefixes only, which changes no output",
    "--slot-prompt-similarity": "Segue finds the longest prefix that any slot or checkpoint holds",
    "-sps": "Segue finds the longest prefix that any slot or checkpoint holds",
    "--context-shift": "Segue does not drop the beginning of a full context",
    "--no-jinja": "Segue always uses the model's Jinja template",
    "--model-draft": _DRAFTS,
    "-md": _DRAFTS,
    "--spec-type": _DRAFTS,
    "--hf-repo": _DOWNLOADS,
    "-hf": _DOWNLOADS,
    "--model-url": _DOWNLOADS,
    "-mu": _DOWNLOADS,
    "--mmproj": "Segue takes text only",
    "-mm": "Segue takes text only",
    "--lora": "Segue takes no adapters",
    "--reranking": "Segue ranks nothing",
    "--grammar": "Segue takes grammars with requests, in the field grammar",
    "--json-schema": "Segue takes schemas with requests, in the field json_schema",
}


_LIKENESS = 0.82
"""So much like a known flag must an unknown one be that it is a slip of the keys, and no other flag of llama-server."""


class FlagError(Exception):
    """A flag that `segue serve` does not take; the message says what to do."""


def serve_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments of `segue serve` without flags that change nothing here. Raises FlagError for unknown ones."""
    return list(_checked(arguments, _known()))


def _checked(arguments: Sequence[str], known: dict[str, bool]) -> Iterator[str]:
    is_value = False
    for argument in arguments:
        name = argument.partition("=")[0]
        if is_value or name in known:
            is_value = not is_value and known.get(argument, False)
            yield argument
        elif not _is_flag(argument):
            raise FlagError(f"{argument!r} belongs to no flag; the model is passed with --model")
        elif name in _REFUSED:
            raise FlagError(f"{name} is not taken: {_REFUSED[name]}")
        elif name not in _PASSED_OVER:
            near = difflib.get_close_matches(name[2:], _long(known), n=1, cutoff=_LIKENESS)
            hint = f"did you mean --{near[0]}?" if near else "segue serve --help shows all flags"
            raise FlagError(f"unknown flag {name}; {hint}")


def _long(names: Iterable[str]) -> list[str]:
    """Long names without their dashes: short ones are too much alike to tell which was meant."""
    return [name[2:] for name in names if name.startswith("--")]


def _is_flag(argument: str) -> bool:
    return len(argument) > 1 and argument[0] == "-" and not (argument[1].isdigit() or argument[1] == ".")


def _known() -> dict[str, bool]:
    """All flags, with whether a value follows."""
    names = {"--help": False, "-h": False, "--version": False}
    for field in Settings.model_fields.values():
        for parameter in field.metadata:
            if isinstance(parameter, Parameter):
                negatives = [name for name in parameter.negative or () if name]
                is_switch = isinstance(field.default, bool)
                names |= dict.fromkeys([*(parameter.name or ()), *negatives], not is_switch)
    return names


def explain(error: ValidationError) -> str:
    """Say in a line which flag or variable is wrong, and why; never the value, which may be a key."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    field = Settings.model_fields.get(name)
    for parameter in field.metadata if field is not None else ():
        if isinstance(parameter, Parameter) and parameter.name:
            name = next(iter(parameter.name))
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
