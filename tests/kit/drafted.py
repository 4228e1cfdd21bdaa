"""Tiny models with all that can draft their replies: their own history, layers of their own, a second model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from segue.drafting.tree import TreeDrafter
from tests.kit.draft_model_rig import DraftModelRig
from tests.kit.models import MODELS, model_path
from tests.kit.mtp_models import MTP_MODELS, MtpRig, mtp_path
from tests.kit.rig import Rig

_N_TOKENS_REMEMBERED: Final = 1 << 16
_DRAFT_MODELS: Final = (
    ("llama", "llama"),
    ("llama", "qwen35"),
    ("gemma3", "gemma3"),
    ("mamba2", "mamba2"),
    ("qwen35", "qwen35"),
    ("qwen35", "llama"),
    ("lfm2-window", "lfm2-window"),
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A model, and a way to draft for it: `rig` makes servers of it with drafts, `plain` those without."""

    find: Callable[[], Path]
    make: Callable[..., Rig]

    @property
    def path(self) -> Path:
        """The file of the model."""
        return self.find()

    def rig(self, **sizes: Any) -> Rig:
        """A server with drafts."""
        return self.make(self.path, **sizes)

    def plain(self, **sizes: Any) -> Rig:
        """A server of the same model without drafts."""
        return Rig(self.path, **sizes)


def _by_history(path: Path, **sizes: Any) -> Rig:
    return Rig(path, drafter=TreeDrafter(_N_TOKENS_REMEMBERED), **sizes)


def _by_model(path: Path, *, draft: str, **sizes: Any) -> Rig:
    return DraftModelRig(path, model_path(draft), **sizes)


BY_HISTORY: Final = {f"{name} by history": Drafted(partial(model_path, name), _by_history) for name in MODELS}
BY_MODELS: Final = {name: Drafted(partial(mtp_path, name), MtpRig) for name in MTP_MODELS} | {
    f"{name} by {draft}": Drafted(partial(model_path, name), partial(_by_model, draft=draft))
    for name, draft in _DRAFT_MODELS
}
"""Drafts by layers of the model's own, by a model that is the same, or by another one."""
