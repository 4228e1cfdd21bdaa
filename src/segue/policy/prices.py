"""The time that restoring and reading take, by measured rates, so that the faster way can be chosen."""

from dataclasses import dataclass

_SHARE = 0.2


@dataclass(slots=True)
class Prices:
    """Running means, in bytes a second and seconds a token; the first guesses are those of a small computer."""

    host_bytes_s: float = 2e9
    lower_bytes_s: float = 3e8
    token_s: float = 0.0

    def restore_s(self, n_host_bytes: int, n_lower_bytes: int) -> float:
        """The time to fetch `n_lower_bytes` from the tier below the host and to put `n_host_bytes` into the context."""
        return n_host_bytes / self.host_bytes_s + n_lower_bytes / self.lower_bytes_s

    def read_s(self, n_tokens: int) -> float:
        """The time to read tokens; infinite until a first measurement, so that checkpoints are used."""
        if not n_tokens:
            return 0.0
        return n_tokens * self.token_s if self.token_s else float("inf")

    def record_load(self, n_bytes: int, seconds: float) -> None:
        """Record the time that putting bytes into the context took."""
        if n_bytes and seconds:
            self.host_bytes_s += _SHARE * (n_bytes / seconds - self.host_bytes_s)

    def record_fetch(self, n_bytes: int, seconds: float) -> None:
        """Record the time that fetching bytes took."""
        if n_bytes and seconds:
            self.lower_bytes_s += _SHARE * (n_bytes / seconds - self.lower_bytes_s)
