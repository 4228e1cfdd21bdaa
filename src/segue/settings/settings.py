"""All settings of one server."""

from pathlib import Path

from pydantic import model_validator

from segue.settings.cache import CacheSettings
from segue.settings.context import ContextSettings
from segue.settings.drafts import DraftSettings
from segue.settings.log import LogSettings
from segue.settings.model import ModelSettings
from segue.settings.sampling import SamplingSettings
from segue.settings.server import ServerSettings
from segue.settings.template import TemplateSettings


class Settings(
    LogSettings,
    SamplingSettings,
    DraftSettings,
    TemplateSettings,
    ServerSettings,
    CacheSettings,
    ContextSettings,
    ModelSettings,
):
    """All settings of one server."""

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        if self.chat_template and self.chat_template_file is not None:
            raise ValueError("--chat-template and --chat-template-file exclude each other; pass one of them")
        if self.cache_disk is not None and self.cache_dir is None:
            raise ValueError("--cache-disk limits the size of --cache-dir; pass both, or neither")
        if (self.ssl_key_file is None) != (self.ssl_cert_file is None):
            raise ValueError("--ssl-key-file and --ssl-cert-file belong together; pass both, or neither")
        if self.rope_scale and self.rope_freq_scale:
            raise ValueError("--rope-scale and --rope-freq-scale are two ways to say one thing; pass one of them")
        return self

    @property
    def has_drafts(self) -> bool:
        """Whether replies are drafted.

        With drafts a call reads more tokens, and on that the last digits of logits depend.
        """
        return "none" not in self.spec_type and self.spec_draft_n_max > 0 and not self.reproducible

    @property
    def drafts_with_mtp(self) -> bool:
        """Whether the model's multi-token-prediction layers draft replies, if it has some."""
        return self.has_drafts and (not self.spec_type or "draft-mtp" in self.spec_type)

    @property
    def drafts_with_model(self) -> bool:
        """Whether replies are drafted by another model."""
        is_asked = not self.spec_type or "draft-simple" in self.spec_type
        return self.has_drafts and bool(self.model_draft) and is_asked

    @property
    def model_name(self) -> str:
        """The name that responses give the model: the alias that sorts first, or the repository, or the file's name."""
        return min(self.alias) if self.alias else self.hf_repo or Path(self.model).name
