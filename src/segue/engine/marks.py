"""Places in running sequences to roll back to: a token count where any tail can be dropped, elsewhere a copy."""

from segue.engine.base import Engine, Mark


def mark(engine: Engine, seq: int, shadow: int) -> Mark:
    """Mark where `seq` stands, as `Engine.mark` promises."""
    n_tokens = engine.length(seq)
    if not n_tokens:
        raise ValueError(f"sequence {seq} is empty, so that there is nothing to roll back to")
    if engine.length(shadow):
        raise ValueError(f"sequence {shadow} is in use")
    if engine.shape.kind.rewinds:
        return Mark(n_tokens, None)
    engine.copy(seq, shadow, own_window=True)
    return Mark(n_tokens, shadow)


def roll_back(engine: Engine, seq: int, mark: Mark) -> None:
    """Let `seq` stand at `mark` again, as `Engine.roll_back` promises."""
    if mark.shadow is None:
        engine.rewind(seq, mark.n_tokens)
        return
    if engine.length(mark.shadow) != mark.n_tokens:
        raise ValueError("the mark was released")
    engine.drop(seq)
    engine.copy(mark.shadow, seq)


def release(engine: Engine, mark: Mark) -> None:
    """Forget a mark, as `Engine.release` promises."""
    if mark.shadow is not None:
        engine.drop(mark.shadow)
