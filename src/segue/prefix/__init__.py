"""Which prefixes are known: a tree of token paths, and the checkpoints attached to it."""
