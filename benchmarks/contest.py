"""Contestants in processes of their own that take turns, so that all meet the same machine."""

import os
import statistics
import subprocess
import sys

# On a GPU several processes share its memory.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def take_turns(script, names, arguments, rounds):
    """Seconds of each contestant in each round, as a dict of lists.

    Runs `script --worker <name> <arguments>` for each name; such a worker calls `be_worker`.
    """
    workers = {}
    for name in names:
        command = [sys.executable, script, "--worker", name, *map(str, arguments)]
        workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if workers[name].stdout.readline() != "ready\n":
            sys.exit(f"{name} did not start; is benchmarks/requirements.txt installed?")
    taken = {name: [] for name in names}
    for _ in range(rounds):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            taken[name].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return taken


def be_worker(turn):
    """Call `turn` once to warm up, then for each line read, and write back the seconds that it returns."""
    turn()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(turn(), flush=True)


def describe(seconds):
    """'median (lowest to highest)' in milliseconds."""
    ms = [1e3 * s for s in seconds]
    return f"{statistics.median(ms):8.2f} ms ({min(ms):.2f} to {max(ms):.2f})"


def ratio(seconds, others):
    """The median of the ratios of turns that followed each other."""
    return statistics.median(a / b for a, b in zip(seconds, others, strict=True))
