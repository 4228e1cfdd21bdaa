"""The prompts that both servers render from the same requests, and how they differ.

Run `python -m tests.peer.prompts` to write the table of the differences anew.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from segue.api.intake.chat import render_chat
from segue.api.intake.requests import ChatRequest
from segue.commands.serve.start import make_backend, make_service
from segue.serving.errors import ApiError
from segue.serving.service import Service
from segue.settings import Settings
from tests.acceptance.clients import PEER, SOURCES, require
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.families import FAMILIES
from tests.kit.family_models import VOCABULARIES, family_model_path
from tests.kit.live import FakeBuilt, FakeModel
from tests.peer.conversations import ROWS
from tests.peer.hugging_face import renders

Rendered = dict[str, dict[str, str | None]]
"""By template and row; None where the server refuses."""
Kinds = dict[str, dict[str, list[str]]]
"""By row and kind, the names of templates."""

SETS: Final = ("kit", "llama.cpp")
KINDS: Final = {
    "trained": "Segue writes what Hugging Face's `apply_chat_template` writes",
    "refused": "llama-server refuses the request",
    "lost": "llama-server's prompt lacks some of what was said, and Segue's has all",
    "moved": "llama-server's prompt has what was said in another order, and Segue's as it was said",
    "listed": "llama-server's prompt shows a list of parts as code, and Segue's its text",
    "tagged": "llama-server's prompt opens reasoning with a tag that the template does not know",
    "spaced": "the prompts differ in white space",
    "other": "`OTHER` says why",
}
"""In what way prompts may differ. Each is looked for in this order."""
OTHER: Final = {
    ("only a system prompt", "NVIDIA-Nemotron-Nano-v2"): "Jinja fails without a second message, so one is added",
    ("a tool without a description", "llama-cpp-deepseek-r1"): "llama-server adds an empty description",
    ("a begun reply to a result", "google-gemma-4-31B-it-interleaved"): "llama-server adds an empty thought",
    ("a begun reply to a result", "llama-cpp-deepseek-r1"): "llama-server adds an empty thought",
    ("a begun reply with a thought", "llama-cpp-rwkv-world"): "llama-server opens reasoning twice",
    ("a begun thought", "llama-cpp-rwkv-world"): "llama-server opens reasoning twice",
    ("a begun thought", "meetkai-functionary-medium-v3.2"): "the model does not think: a reply begins afresh",
    ("a begun reply with a thought", "deepseek"): "llama-server drops the thought, and opens another",
    ("a begun thought", "deepseek"): "llama-server drops the thought",
    ("a begun reply with a thought", "kimi"): "llama-server drops the thought",
    ("a begun thought", "kimi"): "llama-server drops the thought",
    ("a begun thought", "gemma4"): "the template knows no reasoning",
    ("a begun thought", "harmony"): "the template shows no reasoning without a call",
    ("a begun reply in parts", "parts"): "the parts stand as they will in the next turn",
    ("a greeting by the assistant", "gemma2"): "llama-server makes the system prompt the assistant's",
    **{
        (row, "llama3"): "llama-server leaves `tools` undefined, and the template asks whether they are none"
        for row in ("a developer", "a later developer", "a begun thought")
    },
    ("a begun thought", "NVIDIA-Nemotron-Nano-v2"): "llama-server keeps a line end of the generation prompt",
    ("a begun thought", "microsoft-Phi-3.5-mini-instruct"): "llama-server takes EOS for a part of the prompt",
}
"""Why prompts of a row and a template differ where it is of no other kind."""
_LISTED: Final = re.compile(r"""['"]?type['"]?:\s*(?:<\|"\|>|['"])text""")
_TAGS: Final = ("<think>", "[THINK]")
_TABLE: Final = Path(__file__).with_name("prompts.toml")
# The tiny model that llama-server is given; its tokens for BOS and EOS are those of the vocabulary of bytes.
_FAMILY: Final = "mistral"


def templates(of: str) -> dict[str, str]:
    """The sources of a set of templates: those of the kit, or those that llama.cpp's sources hold."""
    if of == "kit":
        # With that template llama-server does not start.
        return {name: source for name, source in FAMILIES.items() if name != "mistral"}
    require(SOURCES)
    files = sorted(SOURCES.directory.glob("*/vendor/llama.cpp/models/templates/*.jinja"))
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


@cache
def found(of: str) -> Kinds:
    """How the prompts differ."""
    sources = templates(of)
    own, peers = by_segue(sources), by_llama(sources)
    kinds: Kinds = {row: {} for row in ROWS}
    for name, source in sources.items():
        for row, body in ROWS.items():
            kind = _kind(source, body, own[name][row], peers[name][row])
            if kind:
                kinds[row].setdefault(kind, []).append(name)
    return kinds


@cache
def expected(of: str) -> Kinds:
    """How the prompts differ, as the table says it."""
    table: dict[str, Kinds] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {row: table.get(of, {}).get(row, {}) for row in ROWS}


def by_segue(sources: Mapping[str, str], rows: Mapping[str, Any] = ROWS) -> Rendered:
    """What Segue renders."""
    return {name: {row: _prompt(service, body) for row, body in rows.items()} for name, service in _services(sources)}


def by_llama(sources: Mapping[str, str], rows: Mapping[str, Any] = ROWS, *, use_jinja: bool = True) -> Rendered:
    """What llama-server renders; skips the test where its engine is not installed."""
    asked = {"model": str(family_model_path(_FAMILY)), "templates": sources, "rows": rows, "use_jinja": use_jinja}
    script = Path(__file__).with_name("render_llama.py")
    done = subprocess.run(
        [PEER.python, str(script)], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    rendered: Rendered = json.loads(done.stdout)
    return rendered


def _services(sources: Mapping[str, str]) -> Iterator[tuple[str, Service]]:
    """A service for each template, without a model."""
    for name, source in sources.items():
        service = make_service(Settings(model="fake.gguf", chat_template=source))
        service.attach(make_backend(FakeBuilt(FakeLoop(), ByteVocabulary(), FakeModel()), service.settings))
        yield name, service


def _prompt(service: Service, body: Mapping[str, Any]) -> str | None:
    try:
        return render_chat(service, ChatRequest(**body), "")
    except ApiError:
        return None


def _kind(source: str, body: Mapping[str, Any], own: str | None, peer: str | None) -> str:
    """In what way two prompts differ, but for the BOS; empty if they do not."""
    bos, eos = VOCABULARIES[_FAMILY].bos, VOCABULARIES[_FAMILY].eos
    if own is None:
        return "refused by Segue"
    own = own.removeprefix(bos)
    if peer is None:
        return "refused"
    peer = peer.removeprefix(bos)
    if own == peer:
        return ""
    said = _texts(body)
    if own in (text.removeprefix(bos) for text in renders(source, body, bos, eos)):
        return "trained"
    if all(text in own for text in said) and not all(text in peer for text in said):
        return "lost"
    if _is_in_order(own, said) and not _is_in_order(peer, said):
        return "moved"
    if _LISTED.search(peer) and not _LISTED.search(own):
        return "listed"
    if any(tag not in source and tag in peer and tag not in own for tag in _TAGS):
        return "tagged"
    return "spaced" if own.split() == peer.split() else "other"


def _texts(body: Mapping[str, Any]) -> Sequence[str]:
    """All that the messages of a request say, in their order."""
    found: list[str] = []
    for message in body["messages"]:
        content = message.get("content") or ""
        found += [part["text"] for part in content] if isinstance(content, list) else [content]
        found += [call["function"]["name"] for call in message.get("tool_calls", ())]
    return [text.strip() for text in found if text.strip()]


def _is_in_order(prompt: str, said: Iterable[str]) -> bool:
    places = [prompt.rfind(text) for text in said]
    return places == sorted(places)


def _write() -> None:
    lines = [
        "# Where Segue's prompts differ from llama-server's, by set of templates, request, and kind of difference.",
        *(f"# {kind}: {meaning}." for kind, meaning in KINDS.items()),
        "",
    ]
    for of in SETS:
        for row, kinds in found(of).items():
            if kinds:
                lines += [
                    f'["{of}"."{row}"]',
                    *(f"{json.dumps(kind)} = {json.dumps(names)}" for kind, names in kinds.items()),
                    "",
                ]
    _TABLE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    _write()
