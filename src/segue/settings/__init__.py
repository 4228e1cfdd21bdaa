"""The settings of a server: llama-server's flags and `LLAMA_ARG_*` variables.

A flag overrides its variable. Settings that llama-server lacks have variables that start with `SEGUE_`.
"""

from segue.settings.settings import Settings

__all__ = ["Settings"]
