"""Command-line parameters that the subcommands share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from segue.commands.cache.ids import check_beginnings

CacheDir = Annotated[Path, Parameter(env_var="SEGUE_CACHE_DIR", help="The server's --cache-dir.")]
Id = Annotated[
    str,
    Parameter(
        name="ID",
        help="The checkpoint's id as ls shows it; the first 4 or more digits are enough if they are unique.",
        validator=check_beginnings,
    ),
]
Ids = Annotated[
    list[str],
    Parameter(
        name="IDS",
        help="The checkpoints' ids as ls shows them; the first 4 or more digits are enough if they are unique.",
        validator=check_beginnings,
        negative=(),
    ),
]
