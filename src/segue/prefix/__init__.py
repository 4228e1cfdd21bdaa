"""The known prefixes: a tree of token paths, and the checkpoints attached to it."""
