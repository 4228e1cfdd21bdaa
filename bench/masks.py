"""What a grammar costs a token, at the sampler of a model with a large vocabulary (Gemma 3: 262,144 tokens).

`python -m bench.masks` reads replies that people would want, token by token, and draws from the logits before each with
the mask and without. The difference is the price; it is printed in microseconds beside the mask's own share.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from segue.engine.base import LAST_ROW, Choice, Chunk, Mask
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from segue.grammar.compiler import Compiler
from segue.grammar.constraint import Constraint, from_gbnf, from_regex, from_schema
from tests.kit.models import gemma3_270m_path

PLACE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 60},
        "kind": {"enum": ["city", "river", "mountain"]},
        "facts": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 5},
        "height": {"type": "integer", "minimum": 0, "maximum": 9000},
        "position": {
            "type": "object",
            "properties": {"latitude": {"type": "number"}, "longitude": {"type": "number"}},
            "required": ["latitude", "longitude"],
        },
    },
    "required": ["name", "kind", "facts", "height", "position"],
    "additionalProperties": False,
}
JSON = (
    '{"name": "Mont Blanc", "kind": "mountain", "facts": ["It is the highest mountain of the Alps, on the border of '
    'France and Italy.", "It was first climbed in 1786 by two men from Chamonix.", "A tunnel of eleven kilometres '
    'leads through it."], "height": 4808, "position": {"latitude": 45.83, "longitude": 6.86}}'
)
LIST = "- Bread, for the whole of the week\n- Milk and a dozen eggs\n- Apples, if there are ripe ones\n"
CASES: tuple[tuple[str, Constraint, str], ...] = (
    ("JSON schema", from_schema(PLACE), JSON),
    ("any JSON object", from_schema({}), JSON),
    ("regular expression", from_regex(r"(- [A-Z][a-z, ]+\n)+"), LIST),
    ("GBNF", from_gbnf('root ::= item+\nitem ::= "- " [^\\n]+ "\\n"'), LIST),
)


@dataclass
class Followed:
    """A mask that goes on with the given tokens, whatever is drawn, and counts its own time."""

    mask: Mask
    tokens: Iterator[int]
    own_s: list[float] = field(default_factory=list)

    def choice(self) -> Choice:
        """The mask's choice."""
        self.own_s.append(0.0)
        with added_to(self.own_s):
            return self.mask.choice()

    def accept(self, _drawn: int) -> None:
        """Go on with the next given token."""
        with added_to(self.own_s):
            self.mask.accept(next(self.tokens))


@contextmanager
def added_to(seconds: list[float]) -> Iterator[None]:
    """Add the time that the block takes to the last of the figures."""
    started = time.perf_counter()
    yield
    seconds[-1] += time.perf_counter() - started


def main() -> None:
    model = Model(gemma3_270m_path())
    params = ContextParams(n_cells=1024, n_seq_max=1)
    context = Context(model, params, measure(model, params))
    compiler = Compiler(model.vocabulary)
    first = [0.0]
    with added_to(first):
        compiler.compile(from_regex("x"))
    print(f"{context.n_vocab} tokens in the vocabulary, which the first grammar takes in, in {first[0]:.2f} s\n")
    print(f"{'us a token: median, 90th percentile':<36}{'without':>12}{'with':>12}{'added':>12}{'mask alone':>12}")
    for name, constraint, text in CASES:
        print_row(name, context, compiler.compile(constraint)(), text)


def print_row(name: str, context: Context, mask: Mask, text: str) -> None:
    vocabulary = context.model.vocabulary
    prompt = vocabulary.tokenize("Tell me of it.\n", add_special=True, parse_special=True)
    reply = vocabulary.tokenize(text, add_special=False, parse_special=False)
    followed = Followed(mask, iter(reply.tolist()))
    chains = [context.sampler(SamplingParams(seed=1), prompt, each) for each in (None, followed)]
    took_s: list[list[float]] = [[], []]
    context.drop(0)
    tokens = prompt
    for token in reply:
        row = context.decode([Chunk(0, tokens, LAST_ROW)])[0][0]
        for chain, seconds in zip(chains, took_s, strict=True):
            seconds.append(0.0)
            with added_to(seconds):
                chain.sample(row)
        tokens = np.array([token], np.int32)
    for chain in chains:
        chain.close()
    added_s = [with_mask - without for without, with_mask in zip(*took_s, strict=True)]
    print(f"{name:<36}{''.join(micros(seconds) for seconds in (*took_s, added_s, followed.own_s))}")


def micros(seconds: Sequence[float]) -> str:
    return f"{1e6 * np.median(seconds):.0f}, {1e6 * np.percentile(seconds, 90):.0f}".rjust(12)


if __name__ == "__main__":
    main()
