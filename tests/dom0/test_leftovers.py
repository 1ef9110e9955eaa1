"""What a miniature dom0 leaves on the machine that it ran on: nothing, however its owner ended."""

import glob
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.dom0.dom0 import BUILD, Dom0

OWNER = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell is started deaf to it
from tests.dom0.dom0 import Dom0
with Dom0("system", rpm="", disks=("d0",)) as dom0:
    print(dom0.work, dom0.guest.process.pid, flush=True)
    time.sleep(600)
"""  # noqa: E501


def processes_of(work):
    """Return the ids of all processes that have the work folder among their arguments, each with
    when it started: the next guest may have the same folder, and another process the same id.
    """
    found = set()
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/cmdline", "rb") as cmdline:
                words = cmdline.read().decode(errors="replace").split("\0")
            with open(path + "/stat", encoding="ascii", errors="replace") as stat:
                started = stat.read().rpartition(") ")[2].split()[19]
        except OSError:
            continue
        if any(work + "/" in word or word == work for word in words):
            found.add((path, started))
    return found


def members_of(namespace):
    """Return the ids of all processes in a pid namespace; one that has ended and only waits for
    init to take note does not count.
    """
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/stat", encoding="ascii", errors="replace") as stat:
                state = stat.read().rpartition(") ")[2][0]
            if os.readlink(path + "/ns/pid") == namespace and state != "Z":
                found.append(path.split("/")[2])
        except OSError:
            continue
    return found


def assert_gone(work, processes, namespace, timeout_s=10):
    """Fail if anything of a guest is there a moment after its end: processes of it, and of its
    namespace.
    """
    deadline = time.monotonic() + timeout_s
    while processes & processes_of(work) or members_of(namespace):
        assert time.monotonic() < deadline, (processes & processes_of(work), members_of(namespace))
        time.sleep(0.01)


def namespace_of(guest):
    """Return the pid namespace that a guest's processes are in."""
    return os.readlink(f"/proc/{guest.process.pid}/ns/pid_for_children")


def test_nothing_after_the_end():
    with Dom0("system", rpm="", disks=("d0",)) as dom0:
        work, namespace = dom0.work, namespace_of(dom0.guest)
        processes = processes_of(work)
        assert processes
        assert members_of(namespace)
        with open(work + "/left", "w", encoding="ascii"):
            pass
    assert_gone(work, processes, namespace)
    assert not os.path.exists(work + "/left")


def test_nothing_after_a_test_that_failed():
    with pytest.raises(ZeroDivisionError), Dom0("system", rpm="", disks=("d0",)) as dom0:
        work, namespace = dom0.work, namespace_of(dom0.guest)
        processes = processes_of(work)
        raise ZeroDivisionError
    assert_gone(work, processes, namespace)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_after_its_owner_was_killed(number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        work, guest = owner.stdout.readline().split()
        namespace = os.readlink(f"/proc/{guest}/ns/pid_for_children")
        assert work.startswith(BUILD)
        processes = processes_of(work)
        assert processes
        assert members_of(namespace)
        owner.send_signal(number)
        owner.wait(20)
        assert_gone(work, processes, namespace)
    finally:
        owner.kill()
        owner.wait()
