"""Looks at everything once, in an order in which each look can rely on those before."""

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from segue.commands.cache.units import size
from segue.commands.doctor.cards import Card, find_cards
from segue.commands.doctor.check_address import check_address
from segue.commands.doctor.check_cache_dir import check_cache_dir
from segue.commands.doctor.check_library import check_library, rebuild
from segue.commands.doctor.check_memory import check_context, check_locking, check_weights
from segue.commands.doctor.check_model import check_model
from segue.commands.doctor.check_settings import check_settings
from segue.commands.doctor.check_template import check_template
from segue.commands.doctor.check_tensors import check_tensors
from segue.commands.doctor.check_threads import check_threads
from segue.commands.doctor.contexts import ContextThatFits, Fitter, contexts_that_fit
from segue.commands.doctor.finding import Finding
from segue.commands.doctor.processor import Processor, processor
from segue.commands.doctor.setup import Setup
from segue.commands.doctor.speeds import memory_speed, read_speed, write_speed
from segue.commands.serve.errors import StartError
from segue.commands.serve.hub import find_draft_model, find_model
from segue.engine.devices import DeviceKind
from segue.engine.errors import EngineError
from segue.engine.model import Model
from segue.engine.model_files import model_parts
from segue.engine.probe import LibraryFacts, probe
from segue.fit.choice import FitChoice
from segue.fit.errors import FitError


@dataclass(slots=True, kw_only=True)
class Examination:
    """All that was seen. `library` is None if it cannot load, and `choice` if there is no model or it does not fit."""

    own: Processor
    cards: Sequence[Card]
    library: LibraryFacts | None = None
    speeds: dict[str, float] = field(default_factory=dict)
    model: str = ""
    contexts: list[ContextThatFits] = field(default_factory=list)
    choice: FitChoice | None = None
    findings: list[Finding] = field(default_factory=list)


def examine(setup: Setup) -> Examination:
    """Look at the machine, and at the model and the flags of a setup. Takes seconds; nothing is changed or fetched."""
    seen = Examination(own=processor(), cards=find_cards())
    seen.speeds["copies in host memory"] = memory_speed()
    try:
        seen.library = probe()
    except EngineError as error:
        seen.findings.append(Finding(f"libllama cannot be loaded: {error}", rebuild("-DGGML_NATIVE=ON")))
    if seen.library is not None:
        for name, (to, back) in seen.library.copies.items():
            seen.speeds |= {f"copies to {name}": to, f"copies from {name}": back}
        seen.findings += check_library(seen.library, seen.own, seen.cards, setup)
    for check in (check_settings, check_cache_dir, check_address):
        seen.findings += check(setup)
    seen.findings += check_threads(seen.own, setup)
    if setup.settings.cache_dir is not None:
        with suppress(OSError):
            seen.speeds["writing to --cache-dir"] = write_speed(setup.settings.cache_dir)
    if seen.library is not None and (setup.settings.model or setup.settings.hf_repo or setup.settings.model_url):
        _examine_model(setup, seen)
    return seen


def _examine_model(setup: Setup, seen: Examination) -> None:
    try:
        offline = setup.settings.model_copy(update={"offline": True})
        path, draft = find_model(offline), find_draft_model(offline)
    except StartError as error:
        seen.findings.append(Finding(str(error), setup.line()))
        return
    setup = Setup(setup.arguments, setup.settings.model_copy(update={"model": path, "model_draft": draft}))
    faults = list(check_model(setup))
    seen.findings += faults
    if faults:
        return
    with suppress(OSError):
        seen.speeds["reading the model's file"] = read_speed(Path(path))
    idle = list(check_tensors(setup))
    seen.findings += idle
    if idle:
        # Their fault is reported; sizes are shown as they are without them.
        setup = Setup(setup.arguments, setup.settings.model_copy(update={"override_tensor": []}))
    try:
        with closing(Fitter(setup.settings)) as fitter:
            seen.model = _described(fitter.fitting.model)
            seen.findings += check_template(fitter.fitting.model, setup)
            seen.findings += check_context(fitter, setup)
            seen.contexts += contexts_that_fit(fitter)
            with suppress(FitError, EngineError):
                seen.choice = fitter.choose()
            seen.findings += _check_weights(Path(path), setup, seen)
    except EngineError as error:
        seen.findings.append(Finding(str(error), setup.line()))


def _described(model: Model) -> str:
    trained = f"trained with {model.n_ctx_train:,} tokens of context"
    n_bytes = sum(part.stat().st_size for part in model_parts(model.path))
    return f"{model.name}: {model.description}, {size(n_bytes)}, {model.kind} memory, {trained}"


def _check_weights(path: Path, setup: Setup, seen: Examination) -> Iterator[Finding]:
    on_file = sum(part.stat().st_size for part in model_parts(path))
    cpu = (
        next((device for device in seen.library.devices if device.kind is DeviceKind.CPU), None)
        if seen.library
        else None
    )
    weights = seen.choice.usages[-1].weights if seen.choice is not None else on_file
    if cpu is not None:
        yield from check_weights(weights, cpu.free_bytes, cpu.total_bytes, setup)
    yield from check_locking(on_file, setup)
