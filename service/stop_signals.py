"""The signals that ask a run to stop, heard in whatever thread the system delivers them to."""

import signal
import socket
import threading

STOP = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a run ends between two units of work.

    Python runs a handler in the main thread alone, which waits without end while others work and does not
    wake for a signal that the kernel gave to one of these: a service then outlived its SIGTERM. So nothing
    is left to handlers: each signal writes its number to a socket, whichever thread it interrupts, and a
    thread reads there (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
    """
    stop = threading.Event()
    told, numbers = socket.socketpair()
    numbers.settimeout(0)  # a handler in C must not block
    signal.set_wakeup_fd(numbers.detach(), warn_on_full_buffer=False)
    for number in STOP:
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_listen, args=(told, stop), name="stop signals", daemon=True).start()
    return stop


def _listen(told: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        if told.recv(1)[0] in STOP:
            stop.set()
