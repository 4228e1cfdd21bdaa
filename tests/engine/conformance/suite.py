"""What every engine promises: subclass `EngineConformance` with the fixtures of one, and all of it is tested there."""

from tests.engine.conformance.cells import SavedCells
from tests.engine.conformance.marks import Marks
from tests.engine.conformance.parts import SavedParts
from tests.engine.conformance.positions import PositionJumps
from tests.engine.conformance.reading import Reading
from tests.engine.conformance.refusals import Refusals
from tests.engine.conformance.sampling import Sampling
from tests.engine.conformance.sequences import Sequences
from tests.engine.conformance.states import States


class EngineConformance(Reading, Refusals, PositionJumps, Sequences, Marks, States, SavedCells, SavedParts, Sampling):
    """All promises; `Subject` says what a subclass has to provide."""
