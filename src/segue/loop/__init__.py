"""Slots, batches and the one thread that owns the engine."""
