"""`python -m bench.load [--minutes 60]`: a mixed load with more state than fits; plots the memory it takes."""

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.kit.load import put_load
from tests.kit.models import model_path

_MIB = 1 << 20
_N_HOST_BYTES = 2 * _MIB
_N_DISK_BYTES = 4 * _MIB


def main() -> None:
    """Show what the load came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="where the plot goes")
    flags = parser.parse_args()
    console = Console()
    with Progress(console=console) as progress, tempfile.TemporaryDirectory() as folder:
        seconds: float = 60 * flags.minutes
        task = progress.add_task("A mixed load", total=seconds)
        started = time.monotonic()

        def goes_on(_: int) -> bool:
            elapsed_s = time.monotonic() - started
            progress.update(task, completed=elapsed_s)
            return elapsed_s < seconds

        load = put_load(
            model_path("qwen35"), Path(folder), goes_on, n_host_bytes=_N_HOST_BYTES, n_disk_bytes=_N_DISK_BYTES
        )
    fits = _N_HOST_BYTES + _N_DISK_BYTES
    console.print(f"{load.n_requests:,} requests; read {load.n_read_tokens:,} of {load.n_prompt_tokens:,} tokens")
    console.print(f"offered {load.offered_bytes / fits:.1f} times what fits")
    for name, peak, limit in (
        ("host", load.host_peak_bytes, _N_HOST_BYTES),
        ("disk", load.disk_peak_bytes, _N_DISK_BYTES),
    ):
        console.print(f"{name}: at most {peak:,} of {limit:,} bytes")
    console.print(f"resident memory: {load.growth_bytes / _MIB:+.1f} MiB from the second quarter to the last")
    console.print(f"wrote {_plot(load.rss_bytes, flags.minutes, flags.out)}")


def _plot(rss_bytes: tuple[int, ...], minutes: float, folder: Path) -> Path:
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.plot([minutes * i / len(rss_bytes) for i in range(len(rss_bytes))], [n / _MIB for n in rss_bytes])
    axes.set(xlabel="minutes", ylabel="resident memory, MiB", title="A mixed load", ylim=(0, None))
    path = folder / "load.png"
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


if __name__ == "__main__":
    main()
