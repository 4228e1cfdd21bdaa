"""Whether the patterns of --override-tensor match any tensor, and name known buffers."""

from collections.abc import Iterator
from pathlib import Path

from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.engine import libllama
from segue.engine.errors import ModelError
from segue.engine.pattern_trial import matched_tensors


def check_tensors(setup: Setup) -> Iterator[Finding]:
    """Try the patterns on the model's file, which must be whole."""
    places, path = setup.settings.override_tensor, Path(setup.settings.model)
    faults = {place: fault for place in places if (fault := _fault(place, path))}
    sound = ",".join("=".join(place) for place in places if place not in faults)
    for fault in faults.values():
        yield setup.fault(f"--override-tensor: {fault}", override_tensor=sound or None)


def _fault(place: tuple[str, str], path: Path) -> str:
    pattern, buffer = place
    known = libllama.buffer_types()
    if buffer not in known:
        return f"libllama has no buffers named {buffer!r}; it has {', '.join(known)}"
    try:
        (tensors,) = matched_tensors(path, [pattern])
    except ModelError as error:
        return str(error).removeprefix("--override-tensor: ")
    return "" if tensors else f"{pattern!r} matches no tensor of the model"
