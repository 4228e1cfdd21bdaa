"""The named parts of what is saved."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from segue.engine.base import Engine
from segue.engine.errors import StateError
from segue.engine.state import MODEL, Cells, State
from tests.engine.conformance.subject import N_SEQ, NOTHING, VIA, Subject, text

SECOND = "second"
Saved = TypeVar("Saved", State, Cells)


class SavedParts(Subject):
    """An engine uses its own parts, and no others."""

    def test_what_is_saved_has_a_part_for_each_context(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))
        saved: list[State | Cells] = [engine.save(0, partial=False)]
        if kind.has_state_part:
            saved.append(engine.save(0, partial=True))
        if kind.shares_cells:
            saved.append(engine.save_cells(0, 10, 40, VIA))
        for one in saved:
            assert set(one.parts) == self.names
            assert one.n_bytes == sum(data.nbytes for data in one.parts.values())
            assert all(data.nbytes for data in one.parts.values())

    def test_parts_of_unknown_contexts_are_ignored(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))
        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        more = {"unknown": np.arange(9, dtype=np.uint8)}
        whole = replace(whole, parts={**more, **whole.parts})
        part = part and replace(part, parts={**more, **part.parts})
        engine.load(whole, 1)
        self.assert_same(engine, 0, 1)
        engine.drop(1)
        engine.drop(0)
        self.read(engine, 0, text(1, 50))
        if not kind.shares_cells:
            return
        engine.borrow(0, 1, 50, part)
        first, second = (replace(one, parts={**more, **one.parts}) for one in self.saved_cells(engine, 0, 0, 20, 50))
        engine.put_cells(2, [first, second], 50, part, VIA)
        if kind.has_window and part is not None:
            engine.put_state(2, part)
        self.assert_same(engine, 1, 2)

    def test_what_lacks_the_part_of_the_model_is_refused(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))

        def without(saved: Saved) -> Saved:
            return replace(saved, parts={"unknown": saved.parts[MODEL]})

        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        with pytest.raises(StateError, match="lacks the part 'model'"):
            engine.load(without(whole), 1)
        if kind.shares_cells:
            first, second = self.saved_cells(engine, 0, 0, 20, 50)
            for runs in ([without(first), second], [first, without(second)]):
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.put_cells(1, runs, 50, part, VIA)
            if part is not None:
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.borrow(0, 1, 50, without(part))
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.put_cells(1, [first, second], 50, without(part), VIA)
            if part is not None and kind.has_window:
                engine.put_cells(1, [first, second], 50, part, VIA)
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.put_state(1, without(part))
        assert [engine.length(seq) for seq in range(N_SEQ)] == [50, *[0] * 5]
        assert engine.span(1) == engine.span(VIA) == NOTHING

    def test_cells_are_cut_part_by_part(self, engine: Engine) -> None:
        """Another context has read some of the tokens; where it has read none, it has no part."""
        if not engine.shape.kind.shares_cells:
            pytest.skip("has no cells")
        self.read(engine, 0, text(1, 60))
        whole, some = engine.save_cells(0, 0, 60, VIA), engine.save_cells(0, 20, 40, VIA)
        cells = replace(whole, parts={**whole.parts, SECOND: some.parts[MODEL]})
        for start, end, has_some in (
            (0, 60, (20, 40)),
            (0, 30, (20, 30)),
            (25, 60, (25, 40)),
            (0, 20, None),
            (40, 60, None),
        ):
            found = engine.cut(cells, end, start)
            assert (found.start, found.end) == (start, end)
            wanted = {name: data for name, data in engine.cut(whole, end, start).parts.items() if name != SECOND}
            if has_some is not None:
                wanted[SECOND] = engine.save_cells(0, *has_some, VIA).parts[MODEL]
            assert found.parts.keys() == wanted.keys()
            assert all(np.array_equal(found.parts[name], wanted[name]) for name in wanted)
