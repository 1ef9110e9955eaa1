"""What md does in an array on its own is kept from it and let go again; mdadm is a script."""

import errno
import os

import pytest

from tests import system_faults
from tests.unit.test_members import ACTION, ARRAY, Dom0
from xsraid.errors import CommandFailed
from xsraid.md import resync

SIGKILL_WAITS = "SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"
# An mdadm on a kernel of today: no array is made read-only while anything is under way on it.
REFUSES = "case $(cat {0}/%s) in idle*|frozen*) ;; *) echo busy >&2; exit 1;; esac" % ACTION


@pytest.fixture
def dom0(tmpdir):
    return Dom0(tmpdir.realpath())


@pytest.mark.parametrize(
    "words,status,is_freed",
    [
        (["/usr/sbin/mdadm", "--grow", "--continue", "/dev/md0"], "", False),
        (["mdadm", "-G", "/dev/md0", "-n", "4"], "", False),
        (["mdadm", "--grow", "/dev/md/data", "--raid-devices=4"], "", False),
        (["mdadm", "--grow", "/dev/md0"], SIGKILL_WAITS, True),
        (
            ["mdadm", "--grow", "/dev/md0"],
            SIGKILL_WAITS.replace("1", "0").replace(
                "ShdPnd:\t00000000000000", "ShdPnd:\t00000000000001"
            ),
            True,
        ),
        (["mdadm", "--grow", "/dev/md1"], "", True),
        (["mdadm", "--monitor", "--scan"], "", True),
        (["vi", "--grow", "/dev/md0"], "", True),
    ],
)
def test_an_mdadm_that_reshapes_an_array_keeps_it_frozen(dom0, words, status, is_freed):
    dom0.write(ACTION, "frozen\n")
    dom0.write("dev/md0", "")
    os.makedirs(os.path.join(dom0.folder, "dev/md"))
    os.symlink("../md0", os.path.join(dom0.folder, "dev/md/data"))
    dom0.write("proc/self/cmdline", "mdadm\0--grow\0/dev/md0\0")
    dom0.process(4711, words, *[status] if status else [])
    dom0.process(4712, [""])
    resync.thaw(dom0.host, ARRAY)
    assert (dom0.read(ACTION) != "frozen\n") is is_freed


@pytest.mark.parametrize("number", [errno.ESRCH, errno.ENOENT])
def test_a_process_that_ends_meanwhile_reshapes_nothing(dom0, mocker, number):
    dom0.write(ACTION, "frozen\n")
    dom0.process(4711, ["mdadm", "--grow", "/dev/md0"])
    system_faults.Reads(mocker, lambda path, count: number if "/proc/4711/" in path else None)
    resync.thaw(dom0.host, ARRAY)
    assert dom0.read(ACTION) != "frozen\n"


@pytest.mark.parametrize("action", ["idle", "recover", "reshape", "check"])
def test_what_is_not_frozen_is_left_alone(dom0, action):
    dom0.write(ACTION, action + "\n")
    resync.thaw(dom0.host, ARRAY)
    assert dom0.read(ACTION) == action + "\n"


@pytest.mark.parametrize(
    "action,then",
    [
        ("idle", "idle"),
        ("frozen", "frozen"),
        ("resync", "frozen"),
        ("reshape", "frozen"),
        ("check", "frozen"),
    ],
)
def test_an_array_is_made_read_only_whatever_is_under_way(dom0, action, then):
    dom0.write(ACTION, action)
    dom0.mdadm(REFUSES.format(dom0.folder))
    resync.make_read_only(dom0.host, ARRAY)
    assert dom0.read(ACTION)[: len(then)] == then
    assert dom0.read("asked").splitlines()[-1] == "--readonly /dev/md0"


@pytest.mark.parametrize("action", ["idle", "resync"])
def test_an_array_that_stays_open_is_as_it_was(dom0, mocker, action):
    mocker.patch("xsraid.md.resync.SETTLE_S", 0.3)
    dom0.write(ACTION, action)
    dom0.mdadm("echo 'Device or resource busy' >&2; exit 1")
    with pytest.raises(CommandFailed) as caught:
        resync.make_read_only(dom0.host, ARRAY)
    assert caught.value.parameters[0] == "mdadm --readonly /dev/md0"
    assert "busy" in caught.value.parameters[2]
    assert dom0.read(ACTION)[:4] == "idle"


def test_an_array_that_udev_looks_at_for_a_moment_is_waited_for(dom0):
    dom0.mdadm("[ $(wc -l <%s/asked) -gt 3 ]" % dom0.folder)
    resync.make_read_only(dom0.host, ARRAY)
    assert len(dom0.read("asked").splitlines()) == 4


@pytest.mark.parametrize("then", ["true", "exit 1", "exec sleep 5"])
def test_an_array_is_let_go_though_it_stays_read_only(dom0, then):
    dom0.write(ACTION, "frozen\n")
    dom0.mdadm(then)
    dom0.host.command_limit_s = 0.3
    resync.make_writable(dom0.host, ARRAY)
    assert dom0.read("asked") == "--readwrite /dev/md0\n"
    assert dom0.read(ACTION)[:4] == "idle"
