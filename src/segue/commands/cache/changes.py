"""`segue cache rm`, `prune` and `pin`, which need exclusive use of the directory."""

import time
from datetime import timedelta
from typing import Annotated

from cyclopts import ArgumentCollection, CycloptsError, Group, Parameter
from cyclopts.types import NonNegativeInt

from segue.commands.cache.parameters import CacheDir, Ids


def _check(arguments: ArgumentCollection) -> None:
    if not any(argument.has_tokens for argument in arguments):
        raise CycloptsError(msg="prune needs a condition: pass --older-than, --to-mib or --other-models")


_CONDITIONS = Group("What to remove", validator=_check, sort_key=1)


def rm(ids: Ids, /, *, cache_dir: CacheDir) -> int:
    """Remove checkpoints, pinned ones too. Segments that other checkpoints need stay."""
    from segue.commands.cache.opening import opened
    from segue.commands.cache.removal import Removal, remove

    with opened(cache_dir) as (directory, contents):
        checkpoints = contents.find(ids)
        remove(directory, checkpoints)
    print(Removal.of(checkpoints, contents).text("removed"))
    return 0


def prune(
    *,
    cache_dir: CacheDir,
    older_than: Annotated[timedelta | None, Parameter(group=_CONDITIONS)] = None,
    to_mib: Annotated[NonNegativeInt | None, Parameter(group=_CONDITIONS)] = None,
    other_models: Annotated[bool, Parameter(group=_CONDITIONS, negative="", show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Remove checkpoints that are old, belong to other models, or exceed a limit; never pinned ones.

    With several conditions, prune first applies --older-than and --other-models, and then --to-mib to the rest.

    Parameters
    ----------
    older_than
        Remove checkpoints last used longer ago than this, such as 30d, 12h or 2w.
    to_mib
        Remove checkpoints used longest ago, until the files take no more than so many MiB.
    other_models
        Remove checkpoints of every model, and of other settings of the same model, except the one used last.
    dry_run
        Only print what would be removed; a server may use the directory meanwhile.
    """
    from segue.commands.cache.choice import PruneChoice
    from segue.commands.cache.contents import DirectoryContents
    from segue.commands.cache.opening import opened
    from segue.commands.cache.removal import Removal, remove

    choice = PruneChoice(
        None if older_than is None else older_than.total_seconds(),
        None if to_mib is None else to_mib << 20,
        other_models,
    )
    if dry_run:
        contents = DirectoryContents.read(cache_dir)
        print(Removal.of(choice.of(contents, time.time()), contents).text("would be removed"))
        return 0
    with opened(cache_dir) as (directory, contents):
        checkpoints = choice.of(contents, time.time())
        remove(directory, checkpoints)
    print(Removal.of(checkpoints, contents).text("removed"))
    return 0


def pin(
    ids: Ids, /, *, cache_dir: CacheDir, off: Annotated[bool, Parameter(negative="", show_default=False)] = False
) -> int:
    """Pin checkpoints: prune never removes them, and a server that needs room removes them last.

    Parameters
    ----------
    off
        Unpin the checkpoints.
    """
    from segue.commands.cache.opening import opened
    from segue.commands.cache.units import counted

    with opened(cache_dir) as (directory, contents):
        checkpoints = contents.find(ids)
        for checkpoint in checkpoints:
            directory.index.pin(checkpoint.row.key, not off)
    print(f"{counted(len(checkpoints), 'checkpoint')} {'no longer pinned' if off else 'pinned'}")
    return 0
