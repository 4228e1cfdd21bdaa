"""Replies drawn at random from what a constraint allows, by a model that knows nothing."""

import random

from segue.grammar.compiler import Compiler
from segue.grammar.constraint import Constraint
from segue.grammar.matcher import Matcher
from tests.kit.byte_vocabulary import ByteVocabulary

VOCABULARY = ByteVocabulary()
COMPILER = Compiler(VOCABULARY)


def allowed(mask: Matcher) -> list[int]:
    """The tokens that may come next."""
    return [int(token) for token in mask.choice().tokens(VOCABULARY.n_tokens)]


def matcher(constraint: Constraint) -> Matcher:
    return COMPILER.compile(constraint)()


def walk(constraint: Constraint, seed: int, n_most: int = 2000) -> str:
    """A random reply; ends where it may with a chance of a half, so that few are long."""
    rng = random.Random(seed)
    mask, said = matcher(constraint), b""
    for _ in range(n_most):
        tokens = allowed(mask)
        assert tokens, said
        ends = [token for token in tokens if VOCABULARY.is_eog(token)]
        if ends and (len(ends) == len(tokens) or rng.random() < 0.5):
            mask.accept(ends[0])
            return said.decode()
        # Quotes and brackets often enough, that strings and lists end.
        closing = [token for token in tokens if token in set(b'"]},')]
        token = rng.choice(closing if closing and rng.random() < 0.2 else [t for t in tokens if t not in ends])
        mask.accept(token)
        said += bytes([token]) if token < 256 else VOCABULARY.piece(token)
    raise AssertionError(f"no end in {n_most} tokens: {said[-200:]!r}")


def follow(constraint: Constraint, text: str, vocabulary: ByteVocabulary = VOCABULARY) -> str:
    """What becomes of a text: "whole" if a reply can end with it, "open" if it must go on, else where it is stuck."""
    mask = (COMPILER if vocabulary is VOCABULARY else Compiler(vocabulary)).compile(constraint)()
    tokens = vocabulary.tokenize(text, add_special=False, parse_special=True).tolist()
    for i, token in enumerate(tokens):
        if token not in mask.choice().tokens(vocabulary.n_tokens):
            return f"stuck after {i}"
        mask.accept(token)
    ends = filter(vocabulary.is_eog, mask.choice().tokens(vocabulary.n_tokens).tolist())
    return "whole" if any(ends) else "open"
