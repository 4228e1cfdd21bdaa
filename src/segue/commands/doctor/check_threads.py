"""Whether there are as many cores as threads."""

from collections.abc import Iterator

from segue.commands.doctor.finding import Finding
from segue.commands.doctor.processor import Processor
from segue.commands.doctor.setup import Setup


def check_threads(own: Processor, setup: Setup) -> Iterator[Finding]:
    """More threads than cores wait for one another at each step of each token."""
    settings = setup.settings
    asked = {"threads": settings.threads, "threads_batch": settings.threads_batch}
    too_many = {name: count for name, count in asked.items() if count > own.n_cores}
    if too_many:
        flags = " and ".join(f"--{name.replace('_', '-')} {count}" for name, count in too_many.items())
        yield setup.fault(
            f"{flags}: this process may use {own.n_cores} cores, and threads that wait for a core hold up the others",
            **dict.fromkeys(too_many, str(own.n_cores)),
        )
