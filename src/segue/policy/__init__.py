"""Decides where to take checkpoints, which to restore and which to keep, and why tokens were read. Pure logic."""
