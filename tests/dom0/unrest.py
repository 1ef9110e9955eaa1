"""A busy machine, for `make steady`: each processor has something else to do all the while, and
guests stand still for seconds now and then.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading

BETWEEN_S = (5, 20)
STOPPED_S = (1, 5)
BUSY = "while True: pass"


def keep_busy():
    """Return processes that keep each processor busy, as long as this one lives."""
    return [
        subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "taskset",
                "-c",
                str(cpu),
                sys.executable,
                "-c",
                BUSY,
            ]
        )
        for cpu in sorted(os.sched_getaffinity(0))
    ]


class Stopper:
    """Stops, at random by a seed, the guests of those Dom0s that are in the list `machines`, one at
    a time, and lets them go on.

    Only a guest's kernel is stopped: it traces all of the guest's processes, so that none of them
    runs meanwhile; the clocks go on.
    """

    def __init__(self, seed):
        self.machines = []
        self._random = random.Random(seed)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        """Return when no guest is stopped any more."""
        self._end.set()
        self._thread.join()

    def _run(self):
        while not self._end.wait(self._random.uniform(*BETWEEN_S)):
            kernels = [
                kernel
                for machine in list(self.machines)
                if machine.guest
                for kernel in _kernels(machine.guest.process.pid)
            ]
            if kernels:
                self._stop(self._random.choice(kernels), self._random.uniform(*STOPPED_S))

    def _stop(self, pid, for_s):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._end.wait(for_s)
            os.kill(pid, signal.SIGCONT)


def _kernels(unshare):
    """Return the process that `unshare` has forked: first the jail, then the kernel."""
    try:
        with open(f"/proc/{unshare}/task/{unshare}/children", encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]
    except OSError:
        return []
