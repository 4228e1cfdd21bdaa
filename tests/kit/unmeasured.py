"""What copies and checkpoints cost on a machine whose speed nobody has measured."""

from typing_extensions import override

from segue.drafting.row_costs import RowCosts
from segue.policy.prices import Prices


class Unmeasured(Prices):
    """Stays at the first guess, so that no clock decides where checkpoints are taken or what is restored."""

    @override
    def record_read(self, n_tokens: int, seconds: float) -> None:
        """Pass over how long a batch took."""

    @override
    def record_save(self, n_bytes: int, seconds: float) -> None:
        """Pass over how long a copy to the host took."""

    @override
    def record_load(self, n_bytes: int, seconds: float) -> None:
        """Pass over how long the way back took."""

    @override
    def record_fetch(self, n_bytes: int, seconds: float) -> None:
        """Pass over how long a file took."""


class FreeRows(RowCosts):
    """Calls that cost the same with any number of tokens, so that drafts are as long as they can be."""

    @override
    def record(self, n_tokens: int, seconds: float) -> None:
        """Pass over how long a call took."""

    @override
    def relative(self, n_tokens: int, n_base: int) -> float:
        """Nothing costs more."""
        return 1.0

    @override
    def extra(self, n_tokens: int, n_less: int, n_base: int) -> float:
        """Nothing costs more."""
        return 0.0

    @override
    def knows(self, n_tokens: int) -> bool:
        """There is nothing to find out."""
        return True
