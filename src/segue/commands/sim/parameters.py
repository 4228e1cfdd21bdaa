"""Command-line parameters that the subcommands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token
from cyclopts.types import PositiveFloat, PositiveInt

from segue.sim.capacity import Capacity, parse
from segue.sim.cost import Cost
from segue.sim.model import MODELS
from segue.sim.registry import POLICIES
from segue.sim.trace import Format, Interleaving, Trace, load


def _words(tokens: Sequence[Token]) -> list[str]:
    return [word for token in tokens for word in token.value.split(",") if word]


def _policies(_: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    names = _words(tokens)
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"there is no policy {name!r}; there are {', '.join(POLICIES)}")
    return tuple(names)


def _capacities(_: Any, tokens: Sequence[Token]) -> tuple[Capacity, ...]:
    return tuple(parse(word) for word in _words(tokens))


def _model(_: Any, tokens: Sequence[Token]) -> str:
    if tokens[0].value not in MODELS:
        raise ValueError(f"there is no model {tokens[0].value!r}; there are {', '.join(MODELS)}")
    return tokens[0].value


Policies = Annotated[
    tuple[str, ...],
    Parameter(
        name="--policy",
        converter=_policies,
        n_tokens=1,
        show_default=False,
        negative="",
        help=f"Names, with commas between them: {', '.join(POLICIES)}. All if absent.",
    ),
]
Capacities = Annotated[
    tuple[Capacity, ...],
    Parameter(
        name="--capacity",
        converter=_capacities,
        n_tokens=1,
        show_default=False,
        negative="",
        help="Room for checkpoints: a number of them, a size such as 8GiB, or inf; or several, with commas.",
    ),
]
TracePath = Annotated[Path, Parameter(name="TRACE", help="The recording: a file, or a directory of texts.")]
FormatOption = Annotated[Format, Parameter(name="--format", help="How the recording is written.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Beside:
    """The way in which conversations are interleaved."""

    concurrency: PositiveInt = 32
    """Conversations at a time. A recording with times of its own, mooncake, is replayed as it came."""
    seed: int = 1
    """The seed of their order."""
    conversations: PositiveInt | None = None
    """The number of conversations; all if absent."""

    def load(self, path: Path, form: Format) -> Trace:
        """The requests of a recording. Raises TraceError."""
        return load(path, form, Interleaving(self.concurrency, self.seed, self.conversations))


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Machine:
    """The model and the machine that times and bytes are predicted for."""

    model: Annotated[str, Parameter(converter=_model, n_tokens=1)] = "Qwen3.6-27B"
    """The model whose states and attention cells are counted."""
    read_tokens_per_s: PositiveFloat = 1000.0
    """The rate at which a prompt is read."""
    copy_bytes_per_s: PositiveFloat | None = None
    """The rate of copies between the device and the host. If absent, 10e9, and no checkpoint is too expensive."""

    @property
    def cost(self) -> Cost:
        """The cost of reading and of restoring."""
        return Cost(MODELS[self.model], self.read_tokens_per_s, self.copy_bytes_per_s)


UNBOUNDED: Final = (Capacity(),)
TIGHT: Final = (Capacity(32), Capacity(128))
ROOMS: Final = (*(Capacity(1 << power) for power in range(3, 12)), Capacity())
BESIDE: Final = Beside()
MACHINE: Final = Machine()
