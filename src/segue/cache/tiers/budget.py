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

    def take(self, n_bytes: int) -> None:
        """Use `n_bytes` more; the caller has made room."""
        assert self.fits(n_bytes), "a tier is over its budget"
        self.used_bytes += n_bytes
        self.peak_bytes = max(self.peak_bytes, self.used_bytes)

    def give(self, n_bytes: int) -> None:
        """Use `n_bytes` less."""
        self.used_bytes -= n_bytes
        assert self.used_bytes >= 0, "a tier gave back more than it took"

    def reserve(self, n_bytes: int) -> None:
        """Reserve `n_bytes` for data still to come; the caller has made room."""
        self.take(n_bytes)
        self.reserved_bytes += n_bytes

    def release(self, n_bytes: int) -> None:
        """Give reserved bytes back."""
        self.give(n_bytes)
        self.reserved_bytes -= n_bytes
        assert self.reserved_bytes >= 0, "a tier gave back more than it reserved"
