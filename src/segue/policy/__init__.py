"""Where to take checkpoints, from which to restore, which to keep, and why tokens were read. Pure logic."""
