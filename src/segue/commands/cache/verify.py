"""`segue cache verify`: reads every file of a directory."""

from segue.commands.cache.parameters import CacheDir


def verify(*, cache_dir: CacheDir) -> int:
    """Read every file, compare its checksum, and follow every chain of segments.

    Prints a line for each fault, and exits with code 1 if there is any. A server never uses damaged state: it logs the
    fault, forgets the checkpoints that need the state, and reads their prompts again.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from segue.commands.cache.opening import opened
    from segue.commands.cache.units import counted, size

    columns = TextColumn("Reading"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn()
    console = Console(stderr=True)
    with opened(cache_dir) as (directory, contents):
        wrong = [f"checkpoint {key.hex()} lost a file or was damaged, and is forgotten" for key in directory.forgotten]
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=contents.used_bytes)
            wrong += directory.verify(lambda n_bytes: bar.advance(task, n_bytes))
    read = f"{counted(contents.n_files, 'file')} of {size(contents.used_bytes)}"
    print(*wrong, f"{read} read: {counted(len(wrong), 'fault')} found" if wrong else f"{read}: all clean", sep="\n")
    return 1 if wrong else 0
