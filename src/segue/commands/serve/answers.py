"""What becomes of llama-server's flags that are not settings: passed over, or refused with a line that says what to do.

A flag is refused only where a reply would silently be another one. Flags that llama.cpp has dropped are here too.
"""

import functools
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from segue.commands.serve.llama_flags import LlamaFlag, llama_flags


class Verdict(StrEnum):
    """What becomes of a flag."""

    TAKEN = "taken"
    SILENT = "passed over"
    WARNED = "passed over, with a warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a flag, with a sentence that says why or what to do.

    A flag that `stands_for` settings is taken: it is short for those.
    """

    verdict: Verdict
    text: str
    stands_for: tuple[tuple[str, str], ...] = ()


def _silent(text: str) -> Answer:
    return Answer(Verdict.SILENT, text)


def _warned(text: str) -> Answer:
    return Answer(Verdict.WARNED, text)


def _refused(text: str) -> Answer:
    return Answer(Verdict.REFUSED, text)


def _short(text: str, **settings: str) -> Answer:
    return Answer(Verdict.TAKEN, text, tuple(settings.items()))


_CHECKPOINTS = _warned("Segue keeps checkpoints as long as their memory lasts: see --cache-ram and --cache-parked")
_DRAFTS = _warned("what drafts gets the threads, the context and the places of the model that it drafts for")
_NGRAMS = _silent("Segue finds by itself how long the sequences are that it looks up, and how much it drafts")
_IMAGES = _warned(
    "images, audio and video are not supported yet: a chat gets placeholders for them, other requests are refused"
)
_CORES = _warned("Segue leaves to the system which cores its threads run on; taskset and numactl can limit them")
_TOOLS = _warned("Segue runs no tools itself; clients do, with the calls that replies carry")
_ADAPTERS = _refused("adapters are not supported yet; merge it into the model with llama-export-lora")
_VECTORS = _refused("control vectors are not supported; leave the flag out to serve the model as it is")
_ONE_MODEL = _warned("a server serves one model: that of -m or -hf; start one for each, with a --port of its own")
_CONSTRAINT = _refused("a constraint comes with each request, in the fields grammar, json_schema or response_format")
_PAGE = _silent("Segue's page only tells where the endpoints are")
_MEASURES = _silent("Segue measures always, and shows it with every reply")
_BATCHES = _silent("Segue always batches running requests, over cells that they share")
_CHANGES_NOTHING = _silent("it changes no reply, and Segue waits for work in its own way")
_LOG = _silent("Segue's log has one form")
_ONE_OF_MANY = _silent("a server serves one model")
_UPSTREAM = _silent("llama.cpp has dropped it, and it changed nothing")


def _preset(repo: str, file: str = "", **settings: str) -> Answer:
    source = {"hf_repo": repo, "hf_file": file} if file else {"hf_repo": repo}
    return _short(f"short for --hf-repo {repo} and the sizes that llama-server uses with it", **source, **settings)


def _coder(repo: str, file: str) -> Answer:
    sizes = {"port": "8012", "batch_size": "1024", "ubatch_size": "1024", "ctx_size": "0"}
    return _preset(f"ggml-org/{repo}-Q8_0-GGUF", f"{file}-q8_0.gguf", **sizes)


def _gpt_oss(repo: str, file: str = "") -> Answer:
    sizes = {"port": "8013", "batch_size": "32768", "ubatch_size": "2048", "parallel": "2", "ctx_size": "262144"}
    sampling = {"temperature": "1.0", "top_p": "1.0", "top_k": "0", "min_p": "0.01"}
    return _preset(repo, file, **sizes, **sampling)


# By name, or by a pattern of names; the first that fits a name of the flag counts.
ANSWERS: dict[str, Answer] = {
    "--help": _short("shows all flags"),
    "--version": _short("shows Segue's version, and ends", prints="version"),
    "--list-devices": _short("shows the devices that libllama has, and ends", prints="devices"),
    "--cache-list": _short("shows the models in the caches that --hf-repo looks in, and ends", prints="models"),
    "--log-disable": _short("short for --verbosity 0: errors are logged all the same", verbosity="0"),
    "--verbose": _short("short for --verbosity 10", verbosity="10"),
    "--reranking": _short("short for --embeddings --pooling rank", embeddings="true", pooling="rank"),
    "--no-mmap": _short("short for --load-mode none", load_mode="none"),
    "--mmap": _short("short for --load-mode mmap", load_mode="mmap"),
    "--mlock": _short("short for --load-mode mmap+mlock", load_mode="mmap+mlock"),
    "--direct-io": _short("short for --load-mode dio", load_mode="dio"),
    "--no-direct-io": _silent("the file is read without it anyway"),
    "--slots-endpoint-disable": _short("short for --no-slots", slots="false"),
    "--embd-gemma-default": _preset(
        "ggml-org/embeddinggemma-300M-qat-q4_0-GGUF",
        "embeddinggemma-300M-qat-Q4_0.gguf",
        port="8011",
        batch_size="2048",
        ubatch_size="2048",
        parallel="32",
        ctx_size="65536",
    ),
    "--fim-qwen-1.5b-default": _coder("Qwen2.5-Coder-1.5B", "qwen2.5-coder-1.5b"),
    "--fim-qwen-3b-default": _coder("Qwen2.5-Coder-3B", "qwen2.5-coder-3b"),
    "--fim-qwen-7b-*": _coder("Qwen2.5-Coder-7B", "qwen2.5-coder-7b"),
    "--fim-qwen-14b-spec": _coder("Qwen2.5-Coder-14B", "qwen2.5-coder-14b"),
    "--fim-qwen-30b-default": _coder("Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder-30b-a3b-instruct"),
    "--gpt-oss-20b-default": _gpt_oss("ggml-org/gpt-oss-20b-GGUF", "gpt-oss-20b-mxfp4.gguf"),
    "--gpt-oss-120b-default": _gpt_oss("ggml-org/gpt-oss-120b-GGUF"),
    "--vision-gemma-4b-default": _preset("ggml-org/gemma-3-4b-it-qat-GGUF", port="8014", ctx_size="0"),
    "--vision-gemma-12b-default": _preset("ggml-org/gemma-3-12b-it-qat-GGUF", port="8014", ctx_size="0"),
    "--ctx-checkpoints": _CHECKPOINTS,
    "--checkpoint-*": _CHECKPOINTS,
    "--swa-full": _warned("Segue returns to earlier places of a sliding window by checkpoints, which take less memory"),
    "--cache-reuse": _warned("Segue reuses whole prefixes, which changes no reply; moved chunks would"),
    "--slot-prompt-similarity": _warned("Segue finds the longest prefix that any slot or checkpoint holds"),
    "--context-shift": _warned(
        "Segue drops nothing of a full context: a reply ends there, and a longer prompt is refused"
    ),
    "--no-context-shift": _silent("Segue drops nothing of a full context"),
    "--keep": _silent("Segue drops nothing of a full context"),
    "--no-jinja": _warned("Segue always renders the model's own Jinja template; --chat-template replaces it"),
    "--jinja": _silent("Segue always renders Jinja templates"),
    "--lookup-cache-*": _warned("Segue drafts from what it has read since it started, and keeps no file of it"),
    "--spec-ngram-*": _NGRAMS,
    "--spec-draft-p-split": _NGRAMS,
    "--spec-*": _DRAFTS,
    "--draft*": _DRAFTS,
    "--ctx-size-draft": _DRAFTS,
    "--no-mmproj": _silent("text is all that Segue takes"),
    "--mmproj-auto": _silent("text is all that Segue takes"),
    "--mmproj-offload": _silent("text is all that Segue takes"),
    "--mmproj*": _IMAGES,
    "--image-*": _IMAGES,
    "--mtmd-*": _IMAGES,
    "--video-*": _IMAGES,
    "--media-path": _IMAGES,
    "--rpc": _warned("other machines' devices are not supported yet; the whole model runs on this one"),
    "--cpu-mask*": _CORES,
    "--cpu-range*": _CORES,
    "--cpu-strict*": _CORES,
    "--path": _warned("Segue serves no files"),
    "--tools*": _TOOLS,
    "--mcp-*": _TOOLS,
    "--no-agent": _silent("Segue runs no tools itself"),
    "--agent": _TOOLS,
    "--log-prompts-dir": _warned("Segue never writes prompts to a log"),
    "--lora-init-without-apply": _silent("there are no adapters"),
    "--lora*": _ADAPTERS,
    "--control-vector-layer-range": _silent("there are no control vectors"),
    "--control-vector*": _VECTORS,
    "--models-dir": _ONE_MODEL,
    "--models-preset": _ONE_MODEL,
    "--models-*": _ONE_OF_MANY,
    "--grammar*": _CONSTRAINT,
    "--json-schema*": _CONSTRAINT,
    "--docker-repo": _refused("Segue asks no Docker registry; pass the file with -m, or --hf-repo"),
    "--completion-bash": _refused("there are no completions of llama-server's flags; segue serve --help lists all"),
    "--ui-*": _PAGE,
    "--perf": _MEASURES,
    "--warmup": _silent("the first request warms the model up"),
    "--cont-batching": _BATCHES,
    "--kv-unified": _BATCHES,
    "--cache-idle-slots": _silent("Segue keeps checkpoints of every slot"),
    "--prio*": _CHANGES_NOTHING,
    "--poll*": _CHANGES_NOTHING,
    "--backend-sampling": _silent("it changes only where tokens are sampled"),
    "--defrag-thold": _UPSTREAM,
    "--penalize-nl": _UPSTREAM,
    "--prompt-cache*": _warned("llama-server ignored it; --cache-dir keeps what was read over restarts"),
    "--verbose-prompt": _UPSTREAM,
    "--color": _UPSTREAM,
    "--display-prompt": _UPSTREAM,
    "--simple-io": _UPSTREAM,
    "--log*": _LOG,
}

# Names that older versions had, which older lines have still.
DROPPED = (
    LlamaFlag(("--mlock",), (), 0, "LLAMA_ARG_MLOCK"),
    LlamaFlag(("--mmap",), ("--no-mmap",), 0, "LLAMA_ARG_MMAP"),
    LlamaFlag(("-dio", "--direct-io"), ("-ndio", "--no-direct-io"), 0, "LLAMA_ARG_DIO"),
    LlamaFlag(("-cpent", "--checkpoint-every-n-tokens"), (), 1, "LLAMA_ARG_CHECKPOINT_EVERY_NT"),
    LlamaFlag(("-cd", "--ctx-size-draft"), (), 1, "LLAMA_ARG_CTX_SIZE_DRAFT"),
    LlamaFlag(("--spec-replace",), (), 2),
    LlamaFlag(("--slots-endpoint-disable",)),
    LlamaFlag(("--penalize-nl",), ("--no-penalize-nl",)),
    LlamaFlag(("--prompt-cache",), (), 1),
    LlamaFlag(("--prompt-cache-all",)),
    LlamaFlag(("--prompt-cache-ro",)),
    LlamaFlag(("--verbose-prompt",)),
    LlamaFlag(("-co", "--color"), (), 1),
    LlamaFlag(("--display-prompt",), ("--no-display-prompt",)),
    LlamaFlag(("--simple-io",)),
    LlamaFlag(("--log-enable",)),
    LlamaFlag(("--log-new",)),
    LlamaFlag(("--log-append",)),
    LlamaFlag(("--log-format",), (), 1),
    LlamaFlag(("--logdir", "-ld"), (), 1),
)


@functools.cache
def foreign_flags() -> dict[str, LlamaFlag]:
    """llama-server's flags of today and of before, by each of their names and negations."""
    return {name: row for row in (*DROPPED, *llama_flags()) for name in (*row.names, *row.negatives)}


def answer_to(row: LlamaFlag, *, is_negated: bool = False) -> Answer:
    """What becomes of a flag that is not a setting, or of its negation. Raises LookupError if there is no answer."""
    for names in (row.negatives, row.names) if is_negated else (row.names,):
        for pattern, answer in ANSWERS.items():
            if any(fnmatchcase(name, pattern) for name in names):
                return answer
    raise LookupError(f"{row.names[0]} has no answer")
