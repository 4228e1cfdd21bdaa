"""Shows the results of an examination."""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from segue.commands.cache.units import counted, size
from segue.commands.doctor.examination import Examination
from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.commands.grid import grid, pairs
from segue.engine.devices import Device
from segue.fit.table import fit_line, fit_table

_INDENT = (0, 0, 0, 2)


def show(seen: Examination, setup: Setup, console: Console) -> None:
    """Print sections on the machine and the model, what is wrong, and at last the line that fixes all flags at once."""
    for title, parts in _sections(seen):
        console.print(Text(title, style="bold"))
        for part in parts:
            console.print(Padding(part, _INDENT))
        console.print()
    for finding in seen.findings:
        _show(finding, console)
    n_wrong = sum(finding.is_wrong for finding in seen.findings)
    changes = [finding.changes for finding in seen.findings if finding.changes]
    if len(changes) > 1:
        console.print("All flags mended:")
        console.print(
            Text(f"  {setup.line(**{k: v for change in changes for k, v in change.items()})}\n"), soft_wrap=True
        )
    verdict = f"{counted(n_wrong, 'thing')} to mend" if n_wrong else "Nothing is wrong."
    console.print(Text(verdict, style="bold red" if n_wrong else "bold green"))


def _sections(seen: Examination) -> Iterator[tuple[str, list[RenderableType]]]:
    yield "Machine", [pairs(_machine(seen))]
    yield "Speeds", [pairs({name: f"{size(rate)}/s" for name, rate in seen.speeds.items()})]
    if not seen.model:
        return
    parts: list[RenderableType] = [Text(seen.model)]
    if seen.choice is not None:
        parts += ["", fit_table(seen.choice), Text(fit_line(seen.choice))]
    table = grid(("largest --ctx-size that fits", "left", "yellow"), ("with", "left", ""))
    for context in seen.contexts:
        table.add_row(f"{context.n_ctx:,}" if context.n_ctx else "none", context.flags or "these flags")
    yield "Model", [*parts, "", table]


def _machine(seen: Examination) -> dict[str, str]:
    features = ", ".join(sorted(seen.own.features)) if seen.own.features else "unknown instructions"
    rows = {"processor": f"{seen.own.name}, {counted(seen.own.n_cores, 'core')}: {features}"}
    if seen.library is not None:
        built = (f"{backend} with {', '.join(names)}" for backend, names in seen.library.features.items())
        rows["libllama"] = f"{seen.library.version}; built for {'; '.join(built)}"
        rows |= {device.name: _device(device) for device in seen.library.devices}
    rows["cards"] = ", ".join(card.vendor for card in seen.cards) or "none with a driver for computing"
    return rows


def _device(device: Device) -> str:
    memory = f"{size(device.free_bytes)} of {size(device.total_bytes)} free" if device.total_bytes else "no memory"
    return f"{device.description}, {memory}"


def _show(finding: Finding, console: Console) -> None:
    mark = Text("wrong: ", style="bold red") if finding.is_wrong else Text("advice: ", style="bold yellow")
    console.print(mark + Text(finding.text), soft_wrap=True)
    # In one piece, whatever the width of the terminal, so that it can be copied.
    console.print(Text(f"  {finding.mend}", style="green"), soft_wrap=True)
    console.print()
