"""Fixtures that all tests share: one rig per test on a model of each kind, and one to compare with."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.kit.models import MODELS, model_path
from tests.kit.reference import Reference
from tests.kit.rig import Rig

# How long an example takes says more about the machine than about the code; the same examples are drawn every time.
settings.register_profile("segue", deadline=None, derandomize=True)
settings.load_profile("segue")

MakeRig = Callable[..., Rig]


@pytest.fixture(params=list(MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    """The name of a model; the test runs on each."""
    return str(request.param)


@pytest.fixture
def make_rig(model_name: str) -> Iterator[MakeRig]:
    """Makes rigs on the model; they are checked and closed in the end."""
    rigs: list[Rig] = []

    def make(**options: object) -> Rig:
        rigs.append(Rig(model_path(model_name), **options))  # type: ignore[arg-type]
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


_references: dict[str, Reference] = {}


@pytest.fixture
def reference(model_name: str) -> Reference:
    """What the model says when nothing is cached."""
    if model_name not in _references:
        _references[model_name] = Reference(model_path(model_name))
    return _references[model_name]
