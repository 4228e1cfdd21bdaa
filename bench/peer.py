"""llama-server, as the wheel of xllamacpp holds it: the flags that both servers share, defaults otherwise.

Run: python -m bench.peer -m model.gguf -c 8192 -np 2 -t 2 -b 2048 -ub 512 --port 8080
It serves until it is told to stop, or until its standard input ends: it does not outlive the benchmark.
"""

import argparse
import signal
import sys

import xllamacpp


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", required=True)
    for flag in ("-c", "-np", "-t", "-b", "-ub", "--port"):
        parser.add_argument(flag, type=int, required=True)
    parser.add_argument("--spec-type", choices=("none", "draft-mtp"), default="none")
    flags = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = flags.m
    params.n_ctx = flags.c
    params.n_parallel = flags.np
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = flags.t
    params.n_batch = flags.b
    params.n_ubatch = flags.ub
    params.port = flags.port
    if flags.spec_type == "draft-mtp":
        params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_MTP]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
