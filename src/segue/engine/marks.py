"""Marks in running sequences for rolling back: a token count if the memory can drop any tail, otherwise a copy."""

from segue.engine.base import Engine, Mark


def mark(engine: Engine, seq: int, shadow: int) -> Mark:
    """Mark the current point of `seq`; see `Engine.mark`."""
    n_tokens = engine.length(seq)
    if not n_tokens:
        raise ValueError(f"sequence {seq} is empty, so there is nothing to roll back to")
    if engine.length(shadow):
        raise ValueError(f"sequence {shadow} is in use")
    if engine.shape.kind.rewinds:
        return Mark(n_tokens, None)
    engine.copy(seq, shadow, trims_window=True)
    return Mark(n_tokens, shadow)


def roll_back(engine: Engine, seq: int, mark: Mark) -> None:
    """Restore `seq` to `mark`; see `Engine.roll_back`."""
    if mark.shadow is None:
        engine.rewind(seq, mark.n_tokens)
        return
    if engine.length(mark.shadow) != mark.n_tokens:
        raise ValueError("the mark was released")
    engine.drop(seq)
    engine.copy(mark.shadow, seq)


def release(engine: Engine, mark: Mark) -> None:
    """Forget a mark; see `Engine.release`."""
    if mark.shadow is not None:
        engine.drop(mark.shadow)
