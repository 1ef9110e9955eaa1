"""A slot is one processor and one work folder: as many guests run at once as there are processors to be had, each pinned to its own.

Only guests that belong together, as a pool, share a processor: they are slower for it, but take no more from the others than one or two guests do.
"""
import contextlib
import fcntl
import glob
import os
import shutil
import time


class Slot:
    """cpu: the processor; folder: an empty work folder. The lock is the open file `lock`; a guest inherits it, so that the slot is free
    only when the last process of the guest is gone."""

    def __init__(self, cpu, folder, lock):
        self.cpu, self.folder, self.lock = cpu, folder, lock

    def shared(self, number):
        """Return one more Slot on this processor, with a folder of its own beside this one's; the processor is free once both are released."""
        return Slot(self.cpu, _emptied(f"{self.folder}-{number}"), os.fdopen(os.dup(self.lock.fileno()), "wb"))

    def release(self):
        """Delete the work folder and let others have the processor."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()


def take(build, timeout_s=1800):
    """Return a free Slot, waiting for one; build: the folder for work folders. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        slot = _take_free(build)
        if slot:
            return slot
        time.sleep(0.2)
    raise TimeoutError(f"every processor has a guest (locks in {build})")


def take_together(build, count):
    """Return count Slots for guests that belong together: one is waited for; the others are on a second processor if that is free just now.

    Two that each held one processor and waited for a second would wait for each other.
    """
    first = take(build)
    second = _take_free(build)
    others = [second] if second else []
    return [first, *others, *((second or first).shared(number) for number in range(2, count + 1 - len(others)))]


def _take_free(build):
    os.makedirs(build, exist_ok=True)
    for cpu in sorted(os.sched_getaffinity(0), reverse=True):
        lock = open(f"{build}/cpu{cpu}.lock", "wb")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left_behind in glob.glob(f"{build}/cpu{cpu}-*"):
                shutil.rmtree(left_behind, ignore_errors=True)
            return Slot(cpu, _emptied(f"{build}/cpu{cpu}"), lock)
        lock.close()
    return None


def _emptied(folder):
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    os.makedirs(folder)
    return folder
