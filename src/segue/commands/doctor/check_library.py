"""Whether libllama suits this machine."""

from collections.abc import Iterator, Sequence
from typing import Final

from segue.commands.doctor.cards import Card
from segue.commands.doctor.finding import Finding
from segue.commands.doctor.processor import Processor, instructions
from segue.commands.doctor.setup import Setup
from segue.engine.probe import LibraryFacts

_WORTH_IT: Final = frozenset({"AVX2", "FMA", "F16C", "AVX512", "DOTPROD", "MATMUL_INT8"})


def rebuild(options: str) -> str:
    """The line that builds libllama anew."""
    return (
        f'CMAKE_ARGS="{options}" pip install --no-cache-dir --force-reinstall --no-deps --no-binary llama-cpp-python'
        " llama-cpp-python"
    )


def check_library(library: LibraryFacts, own: Processor, cards: Sequence[Card], setup: Setup) -> Iterator[Finding]:
    """Compare what libllama was built with to what the machine has."""
    built = instructions(library.features.get("CPU", ()))
    if own.features is not None:
        if missing := sorted(built - own.features):
            yield Finding(
                f"libllama was built for another processor: this one has no {', '.join(missing)}, "
                "and would end the server at the first token",
                rebuild("-DGGML_NATIVE=ON"),
            )
        elif unused := sorted((own.features & _WORTH_IT) - built):
            yield Finding(
                f"this processor has {', '.join(unused)}, which libllama was built without, and would be faster with",
                rebuild("-DGGML_NATIVE=ON"),
                is_wrong=False,
            )
    wants_none = setup.settings.device == ("none",) or setup.settings.n_gpu_layers == 0
    if cards and not wants_none and not any(device.is_gpu for device in library.devices):
        card = cards[0]
        yield Finding(
            f"there is a card of {card.vendor}, and libllama was built without a backend for it: the model would run "
            "on the CPU",
            rebuild(f"-DGGML_{card.backend}=ON"),
        )
