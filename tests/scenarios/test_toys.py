"""S1 to S15 once more: with a dictionary as the lowest tier, on a memory that no model has, and with two contexts."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.cache.tiers.host import HostTier
from tests.conftest import MakeRig
from tests.kit.models import model_path
from tests.kit.reference import Reference
from tests.kit.rig import Rig
from tests.kit.toy_draft import DraftReference, DraftRig
from tests.kit.toy_memory import ToyMemoryRig, ToyReference
from tests.kit.toy_tier import Shelf, ToyTier
from tests.scenarios import test_conversations, test_load, test_storage

# One model a kind of memory, above the toy tier; then toys, above a disk and above the toy tier.
_MODELS = ("llama", "gemma3", "mamba2", "qwen35", "lfm2-window")
_RIGS: dict[str, type[Rig]] = {"toy memory": ToyMemoryRig, "draft context": DraftRig}
_REFERENCES: dict[str, type[ToyReference | DraftReference]] = {
    "toy memory": ToyReference,
    "draft context": DraftReference,
}
_ON_DISK, _ON_SHELF = " above a disk", " above the toy tier"
_TOYS = [name + tier for name in _RIGS for tier in (_ON_DISK, _ON_SHELF)]
# These are about the format of files and of the states of real models.
_OF_FILES = ("another_quantisation", "states_in_another_format", "keys_that_a_longer_context")


class GivingTier(ToyTier):
    """Counts what it gives back."""

    n_given = 0

    def get(self, entry: Entry, target: HostTier, *, with_logits: bool = True) -> bool:
        is_given = super().get(entry, target, with_logits=with_logits)
        self.n_given += is_given
        return is_given


@pytest.fixture(params=[*_MODELS, *_TOYS])
def model_name(request: pytest.FixtureRequest) -> str:
    """The name of a model, or of a combination of toys."""
    return str(request.param)


@pytest.fixture
def make_rig(model_name: str) -> Iterator[MakeRig]:
    """Makes rigs; those with one `cache_dir` have one shelf, and what is made second must be given something."""
    rigs: list[Rig] = []
    shelves: defaultdict[Path | None, Shelf] = defaultdict(Shelf)
    restarted: list[GivingTier] = []

    def make_lower(cache_dir: Path | None, evictor: Evictor, wake: Callable[[], None]) -> GivingTier:
        has_been = cache_dir in shelves
        tier = GivingTier(evictor, shelves[cache_dir] if cache_dir else Shelf(), wake)
        if has_been:
            restarted.append(tier)
        return tier

    def make(*, cache_dir: Path | None = None, **options: object) -> Rig:
        lower = partial(make_lower, cache_dir)
        if model_name.endswith(_ON_DISK):
            rigs.append(_RIGS[model_name.removesuffix(_ON_DISK)](Path(), cache_dir=cache_dir, **options))  # type: ignore[arg-type]
        elif model_name.endswith(_ON_SHELF):
            rigs.append(_RIGS[model_name.removesuffix(_ON_SHELF)](Path(), make_lower=lower, **options))  # type: ignore[arg-type]
        else:
            rigs.append(Rig(model_path(model_name), make_lower=lower, **options))  # type: ignore[arg-type]
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()
    assert all(tier.n_given for tier in restarted), "nothing came from the toy tier"


_references: dict[str, Reference] = {}


@pytest.fixture
def reference(model_name: str) -> Reference | ToyReference | DraftReference:
    """What the model, or a toy, says when nothing is cached."""
    if model_name not in _MODELS:
        return _REFERENCES[model_name.removesuffix(_ON_DISK).removesuffix(_ON_SHELF)]()
    if model_name not in _references:
        _references[model_name] = Reference(model_path(model_name))
    return _references[model_name]


def _scenarios() -> dict[str, object]:
    """The tests of S1 to S15."""
    everything = vars(test_conversations) | vars(test_load) | vars(test_storage)
    numbers = {name: int(found[1]) for name in everything if (found := re.match(r"test_s(\d+)_", name))}
    chosen = [name for name, number in numbers.items() if number <= 15 and not any(one in name for one in _OF_FILES)]
    assert {numbers[name] for name in chosen} | {11} == set(range(1, 16))
    return {name: everything[name] for name in chosen}


globals().update(_scenarios())
