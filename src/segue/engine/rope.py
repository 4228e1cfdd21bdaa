"""The encoding of positions, where it differs from the model's file."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

_SCALINGS: Final = {"": -1, "none": 0, "linear": 1, "yarn": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeParams:
    """llama-server's RoPE and YaRN flags. An empty text, 0, and a negative YaRN factor leave it to the model's file."""

    scaling: str = ""
    freq_base: float = 0.0
    freq_scale: float = 0.0
    yarn_orig_ctx: int = 0
    yarn_ext_factor: float = -1.0
    yarn_attn_factor: float = -1.0
    yarn_beta_slow: float = -1.0
    yarn_beta_fast: float = -1.0

    def apply(self, native: Any) -> None:
        """Set the fields of `llama_context_params`."""
        native.rope_scaling_type = _SCALINGS[self.scaling]
        native.rope_freq_base, native.rope_freq_scale = self.freq_base, self.freq_scale
        native.yarn_orig_ctx = self.yarn_orig_ctx
        native.yarn_ext_factor, native.yarn_attn_factor = self.yarn_ext_factor, self.yarn_attn_factor
        native.yarn_beta_slow, native.yarn_beta_fast = self.yarn_beta_slow, self.yarn_beta_fast

    def n_ctx(self, n_ctx_train: int) -> int:
        """The context's new length; 0 if it stays as it is."""
        if self.scaling == "none" or not 0 < self.freq_scale < 1:
            return 0
        return round((self.yarn_orig_ctx or n_ctx_train) / self.freq_scale)

    def described(self) -> str:
        """The differences from the model's file, in words; empty if there are none."""
        found = asdict(self)
        return ", ".join(f"{part.name} {found[part.name]}" for part in fields(self) if found[part.name] != part.default)


ROPE_OF_FILE: Final = RopeParams()
