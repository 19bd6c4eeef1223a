"""What a process and those it starts cost while they run, by the kernel's own counts (Linux)."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SAMPLE_SECONDS = 0.2


def watched(running: subprocess.Popen[bytes]) -> tuple[int, float]:
    """The most bytes that a process and its descendants held at once, and the CPU seconds of the descendants.

    Sampled until it ends: workers are no children of it but of a server of forks, which tells nobody.
    """
    peak, seconds = 0, dict[int, float]()
    while running.poll() is None:
        pids = list(family(running.pid))
        # Workers share libraries with the first process, and what they were forked with among themselves.
        peak = max(peak, held(running.pid, "Rss") + sum(held(pid, "Pss_Anon") for pid in pids[1:]))
        seconds |= {pid: max(cpu_seconds(pid), seconds.get(pid, 0.0)) for pid in pids[1:]}
        time.sleep(SAMPLE_SECONDS)
    return peak, sum(seconds.values())


def cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from family(int(child))


def held(pid: int, kind: str) -> int:
    """Bytes of a process by the kernel's count of that kind; 0 when it has ended."""
    with suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(f"{kind}:"))
    return 0
