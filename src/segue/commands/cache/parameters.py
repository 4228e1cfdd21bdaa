"""Command-line parameters that the subcommands share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

CacheDir = Annotated[Path, Parameter(env_var="SEGUE_CACHE_DIR", help="The server's --cache-dir.")]
Id = Annotated[int, Parameter(name="ID", help="The checkpoint's number, as ls shows it.")]
Ids = Annotated[list[int], Parameter(name="IDS", help="The checkpoints' numbers, as ls shows them.", negative=())]
