"""`segue cache ls` and `segue cache show`: they change nothing, and a server may be at work."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import ArgumentCollection, CycloptsError, Group, Parameter

from segue.commands.cache.parameters import CacheDir, Id


def _check(arguments: ArgumentCollection) -> None:
    if sum(argument.has_tokens for argument in arguments) == 1:
        raise CycloptsError(msg="--preview and --model go together: text is made with a model's vocabulary")


_PREVIEW = Group("Text", validator=_check, sort_key=1)


def ls(
    *,
    cache_dir: CacheDir,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    preview: Annotated[bool, Parameter(group=_PREVIEW, negative="", show_default=False)] = False,
    model: Annotated[Path | None, Parameter(name=["--model", "-m"], group=_PREVIEW)] = None,
) -> int:
    """List the stored checkpoints, those used last first.

    A checkpoint is a model's state after the first so many tokens of a prompt. Its size is what its removal alone
    would free; what it shares with others counts in the last line only. "model" is the beginning of the digest of the
    model's file, with a number where that file was served with different settings: their states do not fit each other.

    A running server notes new uses and hits when it ends.

    Parameters
    ----------
    json
        Print JSON: sizes in bytes, times in seconds since 1970.
    preview
        Show how the last 200 tokens of each checkpoint begin. Without it, no prompt's text is shown.
    model
        The GGUF file whose vocabulary that takes; checkpoints of other models have no text.
    """
    from rich.console import Console

    from segue.commands.cache.report import as_json
    from segue.commands.cache.stock import Stock
    from segue.commands.cache.table import table, text_table, totals

    stock = Stock.look(cache_dir)
    texts: dict[str, str] = {}
    if preview and model is not None:
        from segue.commands.cache.preview import previews

        texts = previews(stock, model)
    console = Console(highlight=False)
    if json:
        console.out(as_json(stock, texts))
        return 0
    if stock.holdings:
        console.print(table(stock, time.time()), "")
    if texts:
        console.print(text_table(texts, stock), "")
    console.print(totals(stock))
    return 0


def show(id_: Id, /, *, cache_dir: CacheDir) -> int:
    """Show all about a checkpoint but its tokens: its row, its chain of segments, and the fingerprint of its model.

    A segment is a file of attention cells, which checkpoints of one beginning share. A checkpoint needs its whole
    chain.
    """
    from rich.console import Console

    from segue.commands.cache.sheet import sheet
    from segue.commands.cache.stock import Stock

    stock = Stock.look(cache_dir)
    (holding,) = stock.find([id_])
    Console(highlight=False).print(sheet(holding, stock, time.time()))
    return 0
