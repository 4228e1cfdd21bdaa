"""Turns the command line of one of llama.cpp's tests into one of either server, with models of ours, and becomes it.

Run: python command.py segue|llama MODELS FLAGS...
MODELS names the stand-ins, as JSON. It imports little, since each test starts a server.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

_OF_MODELS = ("--hf-repo", "--hf-file", "--model", "--model-url")


def substituted(arguments: list[str], models: Mapping[str, str]) -> list[str]:
    """The flags, with a stand-in for the model that they would download, or for none."""
    named, rest = [], []
    flags = iter(arguments)
    for flag in flags:
        if flag in _OF_MODELS:
            named.append(next(flags))
        else:
            rest.append(flag)
    name = " ".join(named)
    stand_in = "embedder" if "bert" in name else "reranker" if "rerank" in name else "storyteller"
    return ["--model", models[stand_in], *rest]


def main() -> None:
    """Become the server."""
    which, models, *arguments = sys.argv[1:]
    server = ["-m", "segue", "serve"] if which == "segue" else [str(Path(__file__).with_name("llama_server.py"))]
    os.execv(
        sys.executable,
        [sys.executable, *server, *substituted(arguments, json.loads(models))],
    )


if __name__ == "__main__":
    main()
