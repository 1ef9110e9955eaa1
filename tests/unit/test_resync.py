"""What md does in an array on its own is kept from it and let go again; mdadm is a script."""

import errno
import os

import pytest

from tests import system_faults
from tests.unit.test_members import ACTION, ARRAY, Dom0
from xsraid.errors import CommandFailed
from xsraid.host import store
from xsraid.md import resync
from xsraid.md import state as md_state
from xsraid.states import Health

PARITY = ARRAY.replace(level="raid5", consistency_policy="bitmap", health="resyncing")
POSITION = "sys/block/md0/md/reshape_position"
RESYNC_START = "sys/block/md0/md/resync_start"
BOOT_ID = "proc/sys/kernel/random/boot_id"
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


@pytest.fixture
def cut_off(dom0):
    """A parity array whose reshape a power cut interrupted, on a kernel that takes it for a
    resync.
    """
    dom0.write(ACTION, "resync\n")
    dom0.write(POSITION, "2048\n")
    dom0.write(RESYNC_START, "0\n")
    dom0.write(BOOT_ID, "a\n")
    os.makedirs(os.path.join(dom0.folder, "var/lib/xsraid"))
    return dom0


def is_due(dom0):
    return md_state.is_repair_due(dom0.host, ARRAY.uuid)


def look(dom0, **changed):
    whole = PARITY.replace(sync=None, **changed)
    resync.repair_parity(dom0.host, [whole])


def test_a_reshape_that_is_taken_for_a_resync_is_parted_from_it_and_repaired(cut_off):
    resync.part_from_reshape(cut_off.host, PARITY)
    assert cut_off.read(ACTION)[:4] == "idle"
    assert cut_off.read(RESYNC_START)[:4] == "none"
    assert is_due(cut_off)
    cut_off.write(ACTION, "reshape\n")
    look(cut_off)
    assert cut_off.read(ACTION) == "reshape\n"
    cut_off.write(POSITION, "none\n")
    cut_off.write(ACTION, "idle\n")
    look(cut_off)
    assert cut_off.read(ACTION) == "repair"
    assert not is_due(cut_off)
    cut_off.write(BOOT_ID, "b\n")  # in the middle of the repair
    assert is_due(cut_off)
    cut_off.write(ACTION, "idle\n")
    look(cut_off)
    cut_off.write(ACTION, "idle\n")
    look(cut_off)
    assert store.uuids(cut_off.host, store.RESHAPED) == []


@pytest.mark.parametrize("health", Health.NOT_THERE)
def test_what_is_known_of_parity_is_kept_while_the_array_is_away(cut_off, health):
    resync.part_from_reshape(cut_off.host, PARITY)
    look(cut_off, health=health)
    assert is_due(cut_off)


def test_what_is_known_of_parity_goes_with_the_array(cut_off):
    resync.part_from_reshape(cut_off.host, PARITY)
    resync.repair_parity(cut_off.host, [])
    assert store.uuids(cut_off.host, store.RESHAPED) == []


@pytest.mark.parametrize(
    "level,policy,action,position",
    [
        ("raid10", "bitmap", "resync", "2048"),  # does one after the other by itself
        ("raid5", "ppl", "resync", "2048"),
        ("raid5", "bitmap", "reshape", "2048"),
        ("raid5", "bitmap", "idle", "2048"),
        ("raid5", "bitmap", "resync", "none"),
    ],
)
def test_other_reshapes_and_resyncs_go_on_as_they_are(cut_off, level, policy, action, position):
    cut_off.write(ACTION, action)
    cut_off.write(POSITION, position)
    other = ARRAY.replace(level=level, consistency_policy=policy)
    resync.part_from_reshape(cut_off.host, other)
    assert cut_off.read(ACTION) == action
    assert cut_off.read(RESYNC_START) == "0\n"
    assert not is_due(cut_off)


def test_a_reshape_that_an_mdadm_drives_is_left_to_it(cut_off):
    cut_off.write("dev/md0", "")
    cut_off.process(4711, ["mdadm", "--grow", "--continue", "/dev/md0"])
    resync.part_from_reshape(cut_off.host, PARITY)
    assert cut_off.read(ACTION) == "resync\n"
    assert not is_due(cut_off)
