"""What drafts the next tokens of replies, and how many."""

from typing import Annotated, Final

from cyclopts import Group
from pydantic import field_validator

from segue.drafting.limits import NO_LIMITS, DraftLimits
from segue.settings.fields import Csv, SettingsGroup, env, flag

_DRAFTS = Group("Drafts", sort_key=6)
_NGRAMS: Final = ("ngram-simple", "ngram-map-k", "ngram-map-k4v", "ngram-mod", "ngram-cache", "tree")
_MODELS: Final = ("draft-simple", "draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MOST: Final = 64


class DraftSettings(SettingsGroup):
    """What drafts the next tokens of replies, and how many."""

    spec_type: Annotated[Csv, flag(_DRAFTS, "--spec-type", is_empty=True)] = env(
        "LLAMA_ARG_SPEC_TYPE",
        [],
        "What drafts the next tokens of replies, comma-separated: tree (or one of llama-server's ngram-* names) drafts"
        " what stood behind the same tokens before; none drafts nothing. By default tree. No draft changes a reply.",
    )
    spec_draft_n_max: Annotated[int, flag(_DRAFTS, "--spec-draft-n-max")] = env(
        "LLAMA_ARG_SPEC_DRAFT_N_MAX", NO_LIMITS.n_max, "Most tokens to draft at once; 0 drafts none.", ge=0, le=_MOST
    )
    spec_draft_n_min: Annotated[int, flag(_DRAFTS, "--spec-draft-n-min")] = env(
        "LLAMA_ARG_SPEC_DRAFT_N_MIN", NO_LIMITS.n_min, "Least tokens to draft at once.", ge=0, le=_MOST
    )
    spec_draft_p_min: Annotated[float, flag(_DRAFTS, "--spec-draft-p-min", "--draft-p-min")] = env(
        "LLAMA_ARG_SPEC_DRAFT_P_MIN",
        NO_LIMITS.p_min,
        "Least probability of a drafted token. How many are worth their cost is measured, too.",
        ge=0,
        le=1,
    )

    @field_validator("spec_type")
    @classmethod
    def _check_types(cls, value: list[str]) -> list[str]:
        unknown = [name for name in value if name not in (*_NGRAMS, *_MODELS, "none")]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(('none', 'tree', *_NGRAMS[:-1], *_MODELS))}")
        return value

    @property
    def draft_limits(self) -> DraftLimits:
        """What requests may draft that do not say it themselves."""
        return DraftLimits(self.spec_draft_n_max, self.spec_draft_n_min, self.spec_draft_p_min)
