"""A slot is one processor and one work folder: as many guests run at once as there are processors to be had, each pinned to its own."""
import contextlib
import fcntl
import os
import shutil
import time


class Slot:
    """cpu: the processor; folder: an empty work folder. The lock is the open file `lock`; a guest inherits it, so that the slot is free
    only when the last process of the guest is gone."""

    def __init__(self, cpu, folder, lock):
        self.cpu, self.folder, self.lock = cpu, folder, lock

    def release(self):
        """Delete the work folder and let others have the processor."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()


def take(build, timeout_s=1800):
    """Return a free Slot, waiting for one; build: the folder for work folders. Raises TimeoutError."""
    os.makedirs(build, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for cpu in sorted(os.sched_getaffinity(0), reverse=True):
            lock = open(f"{build}/cpu{cpu}.lock", "wb")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = f"{build}/cpu{cpu}"
                shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
                os.makedirs(folder)
                return Slot(cpu, folder, lock)
            lock.close()
        time.sleep(0.2)
    raise TimeoutError(f"every processor has a guest (locks in {build})")
