"""A stop is heard whichever thread the system gives the signal to, also while the main thread waits."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The main thread waits without end; another one is given the signal and stays asleep, too.
WAITING = """
import signal, sys, threading, time
from service.stop_signals import stop_on_signals

stop = stop_on_signals()

def interrupted():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))
    time.sleep(60)

threading.Thread(target=interrupted, daemon=True).start()
stop.wait()
"""


@pytest.mark.row(79)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_given_to_another_thread_ends_a_main_thread_that_waits(number: signal.Signals) -> None:
    command = [sys.executable, "-c", WAITING, str(int(number))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
