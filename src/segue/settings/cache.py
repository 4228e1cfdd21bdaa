"""The cache: the checkpoints that are kept."""

from typing import Annotated

from cyclopts import Group
from pydantic import field_validator

from segue.settings.fields import PathText, SettingsGroup, Switch, env, flag, own, path_flag

_CACHE = Group("Cache", sort_key=4)


class CacheSettings(SettingsGroup):
    """The cache: the checkpoints that are kept, where, and for whom."""

    cache_prompt: Annotated[Switch, flag(_CACHE, "--cache-prompt", negative="--no-cache-prompt")] = env(
        "LLAMA_ARG_CACHE_PROMPT", True, "Reuse cached prefixes, unless a request declines."
    )
    cache_ram: Annotated[int | None, flag(_CACHE, "--cache-ram", "-cram")] = env(
        "LLAMA_ARG_CACHE_RAM",
        None,
        "MiB for checkpoints outside the context; -1 means no limit, 0 none. By default a share of the free memory.",
        ge=-1,
    )
    cache_parked: Annotated[int | None, flag(_CACHE, "--cache-parked")] = own(
        None,
        "MiB for checkpoints inside the context, beside running requests. By default a share of the free memory.",
        ge=0,
    )
    cache_dir: Annotated[PathText | None, path_flag(_CACHE, "--cache-dir")] = own(
        None, "A directory in which checkpoints outlive the process. By default they are kept in memory only."
    )
    cache_disk: Annotated[int | None, flag(_CACHE, "--cache-disk")] = own(
        None, "Most MiB that --cache-dir may take. By default a quarter of the free space there, at most 64 GiB."
    )
    cache_share_keys: Annotated[Switch, flag(_CACHE, "--cache-share-keys")] = own(
        False, "Let clients with different API keys share one cache."
    )
    keep_replies: Annotated[Switch, flag(_CACHE, "--keep-replies", negative="--no-keep-replies")] = own(
        True, "Read a returned reply as the model wrote it, even if the client respaced or reordered its JSON."
    )
    hold_time: Annotated[Switch, flag(_CACHE, "--hold-time", negative="--no-hold-time")] = own(
        True, "Tell a chat template that asks for the time when the conversation began, throughout the conversation."
    )
    keep_tool_order: Annotated[Switch, flag(_CACHE, "--keep-tool-order", negative="--no-keep-tool-order")] = own(
        True, "Keep tools, and the keys of their schemas, in the order in which they were first sent."
    )
    reproducible: Annotated[Switch, flag(_CACHE, "--reproducible")] = own(
        False, "Make output independent of the cache and of other requests; slower."
    )

    @field_validator("cache_disk")
    @classmethod
    def _check_cache_disk(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            # A limit of 0 would remove everything stored; a user who passes 0 wants no limit instead.
            raise ValueError("pass at least 1 MiB, or leave out --cache-dir to store nothing")
        return value
