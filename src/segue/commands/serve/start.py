"""Prepares a server: checks what can be checked before the model is loaded, and builds the text tools after."""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rich.console import Console

from segue.api.intake.sampling import sampler_names
from segue.chat.memory.conversation_clock import ConversationClock
from segue.chat.memory.reply_memory import ReplyMemory
from segue.chat.memory.side_store import SideStore
from segue.chat.memory.tool_order import ToolOrder
from segue.chat.pipeline import ChatPipeline
from segue.chat.reply.families import find_family
from segue.chat.reply.reply_format import shown_tokens
from segue.chat.template.builtin import BUILTIN
from segue.chat.template.sandbox import TemplateError
from segue.chat.template.template import ChatTemplate
from segue.chat.template.turn_marks import unknown_mark
from segue.chat.tokens.tokenizer import PromptTokenizer
from segue.commands.serve.errors import StartError
from segue.engine.sampling import SAMPLERS
from segue.grammar.compiler import Compiler
from segue.grammar.marks import control_pieces
from segue.loop.front import LoopFront
from segue.serving.backend import Backend, Embedding, ModelInfo, ModelVocabulary
from segue.serving.keys import KeyRing
from segue.serving.service import Service
from segue.settings import Settings
from segue.storage.errors import DiskError
from segue.storage.lock import DirectoryLock
from segue.watch.log import configure

log = logging.getLogger(__name__)

_SIDE_STORE = "notes.sqlite"
_SIDE_BYTES = 256 << 20
_MAGIC = b"GGUF"
_NAME = re.compile(r"[\w.:-]+")


class LoadedModel(Protocol):
    """A loaded model with its running loop."""

    @property
    def loop(self) -> LoopFront:
        """The loop."""

    @property
    def vocabulary(self) -> ModelVocabulary:
        """The model's vocabulary."""

    @property
    def compiler(self) -> Compiler:
        """The compiler of grammars for this vocabulary."""

    @property
    def embeddings(self) -> Embedding:
        """The thread that embeds texts."""

    @property
    def model(self) -> ModelInfo:
        """The model."""

    @property
    def can_generate(self) -> bool:
        """Whether the model can generate replies."""

    def unload(self) -> bool:
        """Free the weights and all contexts; False while there is work. No request may be served until `load`."""

    def load(self) -> None:
        """Load again what was unloaded. Raises EngineError."""

    def close(self) -> None:
        """End the loop and free the model."""


def open_log(settings: Settings, console: Console) -> None:
    """Begin to log, to the terminal and to --log-file. Raises StartError."""
    try:
        configure(settings.verbosity, console, settings.log_file)
    except OSError as error:
        raise StartError(f"--log-file: cannot write {settings.log_file}: {error.strerror}") from error


def make_service(settings: Settings) -> Service:
    """Make a service that waits for its model. Raises StartError for a setting that cannot work."""
    keys = [*settings.api_key, *_file_keys(settings.api_key_file)]
    try:
        samplers, unknown = sampler_names(settings.samplers)
    except ValueError as error:
        raise StartError(f"--samplers: {error}") from error
    try:
        # With the model's own tokens it is compiled again; a wrong one should not cost the loading of a model.
        ChatTemplate(template_source(settings), "", "")
    except TemplateError as error:
        raise StartError(f"{error}; pass another one with --chat-template-file") from error
    if unknown:
        log.warning("--samplers: passed over: %s; known are %s", ", ".join(unknown), ", ".join(SAMPLERS))
    keyring = KeyRing(keys, is_shared=settings.cache_share_keys)
    return Service(settings=settings, keys=keyring, sampling=replace(settings.sampling(), samplers=samplers))


def make_backend(built: LoadedModel, settings: Settings) -> Backend:
    """Add to a loaded model what turns text into tokens. Raises StartError for a template that cannot be used.

    A template that does not suit the model is logged.
    """
    vocabulary = built.vocabulary
    unknown = [token for token, _ in settings.logit_bias if token >= vocabulary.n_tokens]
    if unknown:
        raise StartError(f"--logit-bias: token {unknown[0]} is not in the vocabulary of {vocabulary.n_tokens}")
    source = template_source(settings) or built.model.chat_template
    try:
        template = ChatTemplate(source, vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos))
    except TemplateError as error:
        raise StartError(f"{error}; pass another one with --chat-template-file") from error
    if built.can_generate:
        unknown_piece = unknown_mark(template, vocabulary.special_pieces())
        wrong = template_fault(source, unknown_piece)
        if wrong:
            log.warning("%s; pass the model's own template with --chat-template-file", wrong)
    else:
        log.warning("the model has no logits, as an encoder: chats and completions are refused, embeddings are served")
    family = find_family(template.source)
    tokenizer = PromptTokenizer(vocabulary)
    side_store = SideStore(settings.cache_dir / _SIDE_STORE if settings.cache_dir is not None else None, _SIDE_BYTES)
    chat = ChatPipeline(
        template=template,
        tokenizer=tokenizer,
        family=family,
        replies=ReplyMemory(family, vocabulary, tokenizer, side_store) if settings.keep_replies else None,
        tool_order=ToolOrder(side_store) if settings.keep_tool_order else None,
        clock=ConversationClock(side_store) if settings.hold_time else None,
    )
    return Backend(
        loop=built.loop,
        vocabulary=vocabulary,
        tokenizer=tokenizer,
        chat=chat,
        compiler=built.compiler,
        embeddings=built.embeddings,
        model=built.model,
        side_store=side_store,
        shown=shown_tokens(family, vocabulary),
        controls=control_pieces(vocabulary),
        can_generate=built.can_generate,
    )


def check_model_file(settings: Settings) -> None:
    """Raise StartError unless the model is a GGUF file that can be read."""
    if not settings.model:
        raise StartError("no model: pass the GGUF file with -m, or a repository with -hf")
    path = Path(settings.model)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise StartError(f"cannot read the model {path}: {error.strerror}") from error
    if magic != _MAGIC:
        raise StartError(f"{path} is not a GGUF file")


def check_slot_folder(settings: Settings) -> None:
    """Raise StartError if slots are to be saved in something that is not a directory."""
    folder = settings.slot_save_path
    if folder is not None and not folder.is_dir():
        wrong = "is not a directory" if folder.exists() else "is not there"
        raise StartError(f"--slot-save-path: {folder} {wrong}; make that directory, or name another")


def check_cache_folder(settings: Settings) -> None:
    """Raise StartError where --cache-dir cannot be used, or another process uses it."""
    if settings.cache_dir is None:
        return
    try:
        DirectoryLock(settings.cache_dir).close()
    except DiskError as error:
        raise StartError(str(error)) from error


def _file_keys(path: Path | None) -> list[str]:
    if path is None:
        return []
    keys = [line.strip() for line in _read(path, "--api-key-file").splitlines()]
    keys = [key for key in keys if key and not key.startswith("#")]
    if not keys:
        raise StartError(f"--api-key-file: {path} holds no key, which would open the server to all")
    return keys


def template_source(settings: Settings) -> str:
    """The chat template that flags name, empty if the model's own counts. Raises StartError."""
    if settings.chat_template_file is not None:
        return _read(settings.chat_template_file, "--chat-template-file")
    if settings.chat_template in BUILTIN:
        return BUILTIN[settings.chat_template]
    # Any text may be a template, as in llama-server. A single word is a format's name, misspelt.
    if _NAME.fullmatch(settings.chat_template):
        raise StartError(
            f"--chat-template: {settings.chat_template!r} is neither one of llama.cpp's formats nor Jinja;"
            " for a file: --chat-template-file"
        )
    return settings.chat_template


def template_fault(source: str | None, unknown: str) -> str:
    """The fault of a chat template's source, or nothing; `unknown` is its mark that is not a token."""
    if source and "{" not in source:
        return "the chat template is plain text, so that the model sees no message of any chat"
    wrong = "" if source else "the model has no chat template, and ChatML stands in"
    if unknown:
        wrong = f"{wrong or 'the chat template does not suit the model'}: replies may not end, {unknown} is no token"
    return wrong


def _read(path: Path, flag: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{flag}: cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
