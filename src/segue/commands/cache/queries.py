"""`segue cache ls` and `segue cache show`, which change nothing and work beside a running server."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import ArgumentCollection, CycloptsError, Group, Parameter

from segue.commands.cache.parameters import CacheDir, Id


def _check(arguments: ArgumentCollection) -> None:
    if sum(argument.has_tokens for argument in arguments) == 1:
        raise CycloptsError(msg="--preview and --model go together: the text needs the model's vocabulary")


_PREVIEW = Group("Text", validator=_check, sort_key=1)


def ls(
    *,
    cache_dir: CacheDir,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    preview: Annotated[bool, Parameter(group=_PREVIEW, negative="", show_default=False)] = False,
    model: Annotated[Path | None, Parameter(name=["--model", "-m"], group=_PREVIEW)] = None,
) -> int:
    """List the stored checkpoints, the last used first.

    A checkpoint is a model's state after the first tokens of a prompt; "tokens" is their number. "size" is the number
    of bytes that removing this checkpoint alone would free; shared bytes count in the last line only. "model" is the
    beginning of the digest of the model's file. A number follows if that file was served with different settings, whose
    states are incompatible.

    A running server records new uses and hits when it ends.

    Parameters
    ----------
    json
        Print JSON: sizes in bytes, times in seconds since 1970.
    preview
        Show the beginning of the last 200 tokens of each checkpoint. By default, no text of a prompt is shown.
    model
        The GGUF file whose vocabulary --preview uses; checkpoints of other models have no text.
    """
    from rich.console import Console

    from segue.commands.cache.contents import DirectoryContents
    from segue.commands.cache.report import as_json
    from segue.commands.cache.table import table, text_table, totals

    contents = DirectoryContents.read(cache_dir)
    texts: dict[str, str] = {}
    if preview and model is not None:
        from segue.commands.cache.preview import previews

        texts = previews(contents, model)
    console = Console(highlight=False)
    if json:
        console.out(as_json(contents, texts))
        return 0
    if contents.checkpoints:
        console.print(table(contents, time.time()), "")
    if texts:
        console.print(text_table(texts, contents), "")
    console.print(totals(contents))
    return 0


def show(id_: Id, /, *, cache_dir: CacheDir) -> int:
    """Show everything about a checkpoint except its tokens: row, chain of segments, fingerprint of the model.

    A segment is a file of attention cells, which checkpoints with the same beginning share. A checkpoint needs its
    whole chain.
    """
    from rich.console import Console

    from segue.commands.cache.contents import DirectoryContents
    from segue.commands.cache.details import details

    contents = DirectoryContents.read(cache_dir)
    (checkpoint,) = contents.find([id_])
    Console(highlight=False).print(details(checkpoint, contents, time.time()))
    return 0
