"""A process that is killed while it writes leaves a directory that opens, and holds whole checkpoints alone."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from segue.storage.directory import Directory

WRITE = """
import random, sys
from pathlib import Path
import numpy as np
from segue.storage.directory import Directory
from segue.storage.rows import EntryRow, SegmentRow

directory = Directory(Path(sys.argv[1]))
rng = random.Random(int(sys.argv[2]))
index = directory.index
model = index.model_id("{}")
keys = [bytes([n]) * 16 for n in range(12)]

def chain_of(tip):
    by_file = {segment.file: segment for segment in segments}
    chain = []
    while tip is not None:
        chain.append(tip)
        tip = by_file.get(tip.parent)
    return reversed(chain)

print("open", flush=True)
while True:
    segments = index.segments(model)
    parent = rng.choice([None, *segments])
    start = parent.end if parent else 0
    chain = list(chain_of(parent))
    for i in range(rng.randint(1, 3)):
        data = np.random.default_rng(i).normal(size=rng.randint(1, 200_000)).astype(np.float16).view(np.uint8)
        name, n_bytes = directory.write_blob([data])
        chain.append(SegmentRow("", start, np.arange(9, dtype=np.int32), name, n_bytes))
        start += 9
    name, n_bytes = directory.write_blob([data, data[:100]])
    row = EntryRow(
        key=rng.choice(keys),
        namespace="",
        n_tokens=start,
        pos_min=0,
        pos_max=start - 1,
        origin="fork",
        created=0.0,
        last_used=0.0,
        file=name,
        n_bytes=n_bytes,
    )
    directory.delete_blobs(index.add(model, chain, row))
    print("added", flush=True)
    rows = index.checkpoints(model)
    if len(rows) > 8:
        directory.delete_blobs(index.remove([row.key for row in rng.sample(rows, 4)]))
"""


def test_a_process_that_is_killed_leaves_whole_checkpoints(tmp_path: Path) -> None:
    rng = random.Random(0)
    n_seen = 0
    for seed in range(15):
        command = [sys.executable, "-c", WRITE, str(tmp_path), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stderr is not None
            assert writer.stdout.readline() == b"open\n", writer.stderr.read().decode()
            for _ in range(rng.randrange(8)):
                assert writer.stdout.readline() == b"added\n", writer.stderr.read().decode()
            # The moments differ between two checkpoints too; it does not matter how.
            time.sleep(rng.uniform(0, 0.02))
            writer.kill()
            assert writer.stderr.read() == b""
        directory = Directory(tmp_path)
        assert directory.verify() == []
        files = directory.index.files()
        assert set(os.listdir(tmp_path / "blobs")) == files.keys()
        assert all((tmp_path / "blobs" / name).stat().st_size == n_bytes for name, n_bytes in files.items())
        n_seen += len(files)
        directory.close()
    assert n_seen
