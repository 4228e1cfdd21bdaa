"""Segue: a server for GGUF language models that never reads again what it has read."""

__version__ = "0.1.0"
