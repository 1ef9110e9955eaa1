"""A slot is a place on a processor and a work folder. A guest is pinned to its processor, which has
places for two.

A guest waits for a third of its time, so that two on a processor do more than one. Guests that
belong together, as a pool, share a place: they are slower for it, but take no more from the others
than one or two guests do.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import time

LOCKS = "/run/lock/xsraid"  # the machine's: guests of all checkouts share its processors


class Slot:
    """cpu: the processor; folder: an empty work folder. The lock is the open file `lock`; a guest
    inherits it, so that the slot is free only when the last process of the guest is gone.
    """

    def __init__(self, cpu, folder, lock):
        self.cpu, self.folder, self.lock = cpu, folder, lock

    def shared(self, number):
        """Return one more Slot on this processor, with a folder of its own beside this one's; the
        processor is free once both are released.
        """
        return Slot(
            self.cpu,
            _emptied(f"{self.folder}-{number}"),
            os.fdopen(os.dup(self.lock.fileno()), "wb"),
        )

    def release(self):
        """Delete the work folder and let others have the processor."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()


def take(build, timeout_s=1800, locks=LOCKS):
    """Return a free Slot; build: the folder for work folders; locks: that of the processors' locks.
    Raises TimeoutError.

    Who comes first is served first: a checkout that takes a processor as soon as it has given one
    back would leave none to another.
    """
    deadline = time.monotonic() + timeout_s
    with _ticket(locks + "/queue") as ticket:
        while time.monotonic() < deadline:
            slot = _take_free(build, locks) if _is_first(ticket) else None
            if slot:
                return slot
            time.sleep(0.2)
    raise TimeoutError(f"every place has a guest (locks in {locks})")


@contextlib.contextmanager
def _ticket(queue):
    """Give the path of a file, locked while its owner waits; their names sort by time."""
    os.makedirs(queue, exist_ok=True)
    name = f"{time.monotonic_ns():020}-{os.getpid()}"
    with open(f"{queue}/.{name}", "wb") as ticket:
        fcntl.flock(ticket, fcntl.LOCK_EX)
        os.rename(ticket.name, f"{queue}/{name}")
        try:
            yield f"{queue}/{name}"
        finally:
            os.unlink(f"{queue}/{name}")


def _is_first(ticket):
    """Return whether nobody waits for longer; what a killed owner left is cleared away."""
    queue, name = os.path.split(ticket)
    earlier = sorted(
        other for other in os.listdir(queue) if other < name and not other.startswith(".")
    )
    for other in earlier:
        with contextlib.suppress(FileNotFoundError), open(f"{queue}/{other}", "rb") as waiting:
            if _is_locked(waiting):
                return False
            os.unlink(waiting.name)
    return True


def _is_locked(stream):
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def take_together(build, count, locks=LOCKS):
    """Return count Slots for guests that belong together: one is waited for; the others are on a
    second processor if that is free just now.

    Two that each held one processor and waited for a second would wait for each other.
    """
    first = take(build, locks=locks)
    second = _take_free(build, locks)
    others = [second] if second else []
    return [
        first,
        *others,
        *((second or first).shared(number) for number in range(2, count + 1 - len(others))),
    ]


def places():
    """Return [(processor, name of a place on it)], those first that share no processor."""
    cpus = sorted(os.sched_getaffinity(0), reverse=True)
    return [(cpu, f"cpu{cpu}") for cpu in cpus] + [(cpu, f"cpu{cpu}.second") for cpu in cpus]


def _take_free(build, locks):
    os.makedirs(locks, exist_ok=True)
    for cpu, place in places():
        lock = open(f"{locks}/{place}.lock", "wb")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left_behind in glob.glob(f"{build}/{place}-*"):
                shutil.rmtree(left_behind, ignore_errors=True)
            return Slot(cpu, _emptied(f"{build}/{place}"), lock)
        lock.close()
    return None


def _emptied(folder):
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    os.makedirs(folder)
    return folder
