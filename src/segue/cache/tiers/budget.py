"""A budget of bytes that is never overdrawn."""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """The bytes that a tier may use and does use; of the latter, `reserved_bytes` are for data still to come."""

    limit_bytes: int
    used_bytes: int = 0
    peak_bytes: int = 0
    reserved_bytes: int = 0

    def fits(self, n_bytes: int) -> bool:
        """Whether `n_bytes` more may be used."""
        return self.used_bytes + n_bytes <= self.limit_bytes

    def charge(self, n_bytes: int) -> None:
        """Count `n_bytes` more as used; the caller has made room."""
        assert self.fits(n_bytes), "a tier is over its budget"
        self.used_bytes += n_bytes
        self.peak_bytes = max(self.peak_bytes, self.used_bytes)

    def refund(self, n_bytes: int) -> None:
        """Count `n_bytes` less as used."""
        self.used_bytes -= n_bytes
        assert self.used_bytes >= 0, "a tier gave back more than it used"

    def reserve(self, n_bytes: int) -> None:
        """Reserve `n_bytes` for data still to come; the caller has made room."""
        self.charge(n_bytes)
        self.reserved_bytes += n_bytes

    def end_reservation(self, n_bytes: int) -> None:
        """End a reservation of `n_bytes`."""
        self.refund(n_bytes)
        self.reserved_bytes -= n_bytes
        assert self.reserved_bytes >= 0, "a tier gave back more than it reserved"
