"""Whether the model's file can be loaded."""

import difflib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.commands.serve.errors import StartError
from segue.commands.serve.start import check_model_file
from segue.engine.inspection import Damage, inspect_model

_ANOTHER: Final = "MODEL.gguf"


def check_model(setup: Setup) -> Iterator[Finding]:
    """Read the header of each part; nothing is found if libllama can load it."""
    path = Path(setup.settings.model)
    try:
        check_model_file(setup.settings)
    except StartError as error:
        yield setup.fault(str(error).partition("; ")[0], hf_repo=None, model=str(_alike(path) or _ANOTHER))
        return
    fault = inspect_model(path)
    if fault is None:
        return
    if fault.damage in (Damage.MISSING_PART, Damage.CUT_OFF):
        source = setup.settings.hf_repo or "USER/MODEL"
        again = ["hf", "download", source, "--include", f"{_stem(path)}*.gguf", "--local-dir", str(path.parent)]
        yield Finding(fault.text, shlex.join([*again, "--force-download"]))
    else:
        yield setup.fault(fault.text, hf_repo=None, model=_ANOTHER)


def _stem(path: Path) -> str:
    return path.stem.partition("-00001-of-")[0]


def _alike(path: Path) -> Path | None:
    """The model in the same folder whose name is most alike, or the only one."""
    try:
        names = [other.name for other in path.parent.iterdir() if other.suffix == ".gguf" and other != path]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1) or (names if len(names) == 1 else [])
    return path.with_name(near[0]) if near else None
