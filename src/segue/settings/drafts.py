"""The drafters of replies, and how many tokens they draft."""

from typing import Annotated, Final, Literal

from cyclopts import Group
from pydantic import field_validator

from segue.drafting.limits import NO_LIMITS, DraftLimits
from segue.settings.fields import Csv, KvType, SettingsGroup, env, flag, own

_DRAFTS = Group("Drafts", sort_key=6)
_NGRAMS: Final = ("ngram-simple", "ngram-map-k", "ngram-map-k4v", "ngram-mod", "ngram-cache", "tree")
_MODELS: Final = ("draft-simple", "draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MOST: Final = 64


class DraftSettings(SettingsGroup):
    """The drafters of replies, and how many tokens they draft."""

    spec_type: Annotated[Csv, flag(_DRAFTS, "--spec-type", is_empty=True)] = env(
        "LLAMA_ARG_SPEC_TYPE",
        [],
        "What drafts the next tokens of replies, comma-separated: tree (or one of llama-server's ngram-* names) drafts"
        " the tokens that followed the same tokens before, draft-mtp uses the model's multi-token-prediction layers,"
        " draft-simple the --model-draft; none drafts nothing. By default all that there are, and tree with any of"
        " them. No draft changes a reply.",
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

    model_draft: Annotated[str, flag(_DRAFTS, "--model-draft", "-md", "--spec-draft-model", is_empty=True)] = env(
        "LLAMA_ARG_SPEC_DRAFT_MODEL", "", "The GGUF file of a smaller model with the same vocabulary, which drafts."
    )
    hf_repo_draft: Annotated[
        str, flag(_DRAFTS, "--hf-repo-draft", "-hfd", "-hfrd", "--spec-draft-hf", is_empty=True)
    ] = env("LLAMA_ARG_SPEC_DRAFT_HF_REPO", "", "The repository of the draft model on Hugging Face, as for --hf-repo.")
    n_gpu_layers_draft: Annotated[
        int | Literal["auto", "all"],
        flag(_DRAFTS, "--n-gpu-layers-draft", "--gpu-layers-draft", "--spec-draft-ngl", "-ngld"),
    ] = env("LLAMA_ARG_N_GPU_LAYERS_DRAFT", "auto", "Layers of the draft model to put on GPUs: a number, auto or all.")
    device_draft: Annotated[Csv, flag(_DRAFTS, "--device-draft", "-devd", "--spec-draft-device", is_empty=True)] = own(
        [], "Devices for the draft model, comma-separated; none keeps it on the CPU. By default those of --device."
    )
    cache_type_k_draft: Annotated[KvType, flag(_DRAFTS, "--cache-type-k-draft", "-ctkd", "--spec-draft-type-k")] = env(
        "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K", "f16", "Data type of keys in the KV cache of the draft model."
    )
    cache_type_v_draft: Annotated[KvType, flag(_DRAFTS, "--cache-type-v-draft", "-ctvd", "--spec-draft-type-v")] = env(
        "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_V", "f16", "Data type of values in the KV cache of the draft model."
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
        """The limits of drafts for requests that set none themselves."""
        return DraftLimits(self.spec_draft_n_max, self.spec_draft_n_min, self.spec_draft_p_min)
