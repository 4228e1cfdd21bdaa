"""Which buffers hold single tensors."""

from typing import Final

HOST: Final = "CPU"
