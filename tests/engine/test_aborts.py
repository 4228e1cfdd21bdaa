"""What libllama would end the process for is refused, or kept from it."""

from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest
from gguf import GGUFWriter, TokenType

from segue.demo.model_file import Value, write_model
from segue.demo.vocabulary import N_VOCAB, write_vocabulary
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.errors import ModelError
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from tests.kit.apart import apart
from tests.kit.architectures import Sizes, llama
from tests.kit.conversation import text
from tests.kit.models import model_path


def _llama(path: Path, d_head: int = 32, n_head_kv: int = 1, **metadata: Value) -> Path:
    plain = llama(Sizes(d_head=d_head, n_head_kv=n_head_kv))
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    write_model(path, replace(plain, metadata={**plain.metadata, **named}), seed=0)
    return path


def test_a_call_may_read_fewer_tokens_than_there_are_sequences(model_name: str) -> None:
    """libllama reserves logits for all of them."""
    apart(
        """
context = make(model_path(sys.argv[1]), n_seq_max=40, n_batch=3, n_ubatch=2)
assert context.n_batch == (2 if context.shape.kind.has_window else 3) and context.n_ubatch == 2
for seq in range(40):
    rows = context.decode([Chunk(seq, text(1, 2), LAST_ROW)])
    assert np.isfinite(context.logits(rows[0][0])).all()
rows = context.decode([Chunk(seq, text(2, 1), LAST_ROW) for seq in (0, 1)])
assert np.isfinite(context.logits(rows[1][0])).all()
""",
        model_name,
    )


@pytest.mark.parametrize(
    "sizes", ["n_cells=1", "n_cells=2, n_batch=1", "n_batch=2**32", "n_batch=2**32, n_ubatch=2**33"]
)
def test_sizes_at_the_ends_of_their_ranges_work(sizes: str) -> None:
    """libllama cuts a batch to a context that it rounds up only afterwards, and wraps at 32 bits."""
    apart(
        f"""
context = make(model_path("llama"), {sizes})
rows = context.decode([Chunk(0, text(1, 1), LAST_ROW)])
assert np.isfinite(context.logits(rows[0][0])).all()
"""
    )


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ("n_cells=2**31", "more than libllama can count; pass a smaller --ctx-size"),
        ("n_threads=100_000", "at most 512 threads; pass a smaller --threads"),
        ("n_threads_batch=100_000", "at most 512 threads; pass a smaller --threads"),
        ("n_seq_max=257", "n_seq_max must be <= 256"),
        ("type_v='q8_0', flash_attention='off'", "pass --cache-type-v f16 or --flash-attn on"),
    ],
)
def test_what_libllama_cannot_do_is_refused_in_a_line(sizes: str, told: str) -> None:
    said = apart(
        f"""
try:
    make(model_path("llama"), {sizes})
except EngineError as error:
    print(error)
"""
    )
    assert told in said
    assert "\n" not in said


@pytest.mark.parametrize("flash_attention", ["off", "auto", "on"])
@pytest.mark.parametrize("n_head_kv", [1, 2])
def test_keys_that_do_not_fill_blocks_are_not_quantised(tmp_path: Path, flash_attention: str, n_head_kv: int) -> None:
    """Without flash attention libllama does not look, and aborts or computes nonsense."""
    path = _llama(tmp_path / "odd.gguf", 48, n_head_kv)
    said = apart(
        """
try:
    make(Path(sys.argv[1]), type_k="q8_0", flash_attention=sys.argv[2])
except EngineError as error:
    print(error)
""",
        str(path),
        flash_attention,
    )
    assert "does not divide n_embd_head_k=48" in said
    assert said.endswith("pass --cache-type-k f16")


def test_a_model_that_is_not_causal_reads_one_physical_batch(tmp_path: Path) -> None:
    path = _llama(tmp_path / "both-ways.gguf", attention__causal=False)
    said = apart(
        """
context = make(Path(sys.argv[1]), n_batch=256, n_ubatch=64)
context.decode([Chunk(0, text(1, context.n_batch), LAST_ROW)])
print(context.n_batch)
""",
        str(path),
    )
    assert said == "64"


@pytest.mark.parametrize(
    "made", ["make(path, n_cells=n, n_batch=n, n_ubatch=n)", "Embedder(Model(path), EmbedderParams(n_tokens=n))"]
)
def test_a_graph_too_large_for_the_memory_is_refused(made: str) -> None:
    """For some architectures libllama takes up to 3 MB a token, and does not look whether it got them."""
    said = apart(
        f"""
import resource
path, n = model_path("qwen35"), 8192
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))
try:
    {made}
except EngineError as error:
    print(error)
"""
    )
    assert said.startswith("computing 8192 tokens at once takes ")
    assert said.endswith("; pass a smaller --ubatch-size")


def test_a_pooling_that_is_not_known_is_the_mean(tmp_path: Path) -> None:
    path = _llama(tmp_path / "pooled.gguf", pooling_type=7)
    apart(
        """
embedder = Embedder(Model(Path(sys.argv[1])), EmbedderParams(n_tokens=64, n_threads=1))
expected = Embedder(Model(model_path("llama")), EmbedderParams(n_tokens=64, n_threads=1))
assert np.array_equal(embedder.embed(text(1, 64)), expected.embed(text(1, 64)))
""",
        str(path),
    )


def test_penalties_look_no_farther_back_than_there_can_be_tokens() -> None:
    """libllama takes memory for as many tokens as it is told, and ends the process if there is none."""
    apart(
        """
import resource
context = make(model_path("llama"))
row = context.decode([Chunk(0, text(1, 40), LAST_ROW)])[0][0]
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))
for most in (2**31 - 1, 2**40):
    for params in (
        SamplingParams(seed=1, repeat_penalty=1.5, repeat_last_n=most),
        SamplingParams(seed=1, dry_multiplier=1.0, dry_penalty_last_n=most),
    ):
        chain = context.sampler(params, text(1, 40))
        assert chain.sample(row) >= 0
        chain.close()
"""
    )


def _write_endless(path: Path) -> None:
    """A model whose vocabulary has no end and no beginning, though the file wants one in front of each text."""

    def vocabulary(writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("gemma4")
        writer.add_token_list([f"<0x{byte:02X}>" for byte in range(256)] + [f"<{i}>" for i in range(256, N_VOCAB)])
        writer.add_token_types([TokenType.BYTE] * 256 + [TokenType.NORMAL] * (N_VOCAB - 256))
        writer.add_token_merges(["a b"])
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)

    write_model(path, llama(Sizes()), seed=0, vocabulary=vocabulary)


def test_a_vocabulary_without_ends_is_sampled_from_and_adds_none(tmp_path: Path) -> None:
    _write_endless(tmp_path / "endless.gguf")
    said = apart(
        """
context = make(Path(sys.argv[1]))
tokens = context.model.vocabulary.tokenize("ab", add_special=True, parse_special=True)
chain = context.sampler(SamplingParams(seed=1, samplers=("infill",)), tokens)
chain.sample_from(np.zeros(context.n_vocab, np.float32))
print(*tokens)
""",
        str(tmp_path / "endless.gguf"),
    )
    assert said == "97 98"


def test_a_token_too_long_for_the_sampler_of_gaps_switches_that_off(tmp_path: Path) -> None:
    def vocabulary(writer: GGUFWriter) -> None:
        write_vocabulary(writer)
        tokens = writer.kv_data[0]["tokenizer.ggml.tokens"]
        tokens.value[ord("a")] = "a" * 600

    write_model(tmp_path / "long.gguf", llama(Sizes()), seed=0, vocabulary=vocabulary)
    apart(
        """
context = make(Path(sys.argv[1]))
chain = context.sampler(SamplingParams(seed=1, samplers=("infill",)), text(1, 3))
logits = np.full(context.n_vocab, -30.0, np.float32)
logits[ord("a") : ord("d")] = 0
assert chain.sample_from(logits) in range(ord("a"), ord("d"))
""",
        str(tmp_path / "long.gguf"),
    )


def test_the_sampler_of_gaps_compares_few_tokens() -> None:
    """It compares each with each, which would stop every reply for hours."""
    model = Model(model_path("llama"))
    params = ContextParams(n_cells=256, n_seq_max=1, n_threads=1)
    context = Context(model, params, measure(model, params))
    chain = context.sampler(SamplingParams(samplers=("temperature", "infill")), text(1, 3))
    names = [
        llama_cpp.llama_sampler_name(llama_cpp.llama_sampler_chain_get(chain._handle, i)).decode()
        for i in range(llama_cpp.llama_sampler_chain_n(chain._handle))
    ]
    assert names == ["temp-ext", "top-k", "infill", "dist"]
    chain.close()
    context.close()
    model.close()


def test_a_model_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    def vocabulary(writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("no_vocab")
        writer.add_vocab_size(N_VOCAB)

    write_model(tmp_path / "mute.gguf", llama(Sizes()), seed=0, vocabulary=vocabulary)
    with pytest.raises(ModelError, match="has no vocabulary; convert it again"):
        Model(tmp_path / "mute.gguf")


@pytest.mark.parametrize("n_bytes", [0, 255, 256])
def test_a_vocabulary_that_has_no_tokens_for_some_texts_is_refused(tmp_path: Path, n_bytes: int) -> None:
    """libllama throws at a byte without a token, which ends the process."""

    def vocabulary(writer: GGUFWriter) -> None:
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(n_bytes))]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens + [f"<{i}>" for i in range(len(tokens), N_VOCAB)])
        writer.add_token_scores([0.0] * N_VOCAB)
        writer.add_token_types(
            [TokenType.NORMAL] * 3 + [TokenType.BYTE] * n_bytes + [TokenType.NORMAL] * (N_VOCAB - 3 - n_bytes)
        )

    write_model(tmp_path / "gaps.gguf", llama(Sizes()), seed=0, vocabulary=vocabulary)
    said = apart(
        """
try:
    print(*Model(Path(sys.argv[1])).vocabulary.tokenize("\\xff", add_special=False, parse_special=True))
except EngineError as error:
    print(error)
""",
        str(tmp_path / "gaps.gguf"),
    )
    assert said.endswith(" 198 194") if n_bytes == 256 else "the vocabulary lacks tokens for single bytes" in said
