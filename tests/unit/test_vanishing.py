"""What the kernel says of a member that is being removed and of an array that is being stopped:
EBUSY for a moment, then that there is none.
"""

import errno
import shutil

import pytest

from tests import made, system_faults
from tests.unit.test_identify import Machine
from xsraid.actions import members
from xsraid.errors import DiskInUse
from xsraid.host import sysfs
from xsraid.md import state as md_state

MEMBER, ARRAY = "/md0/md/dev-sdb1/", "/md0/md/"


@pytest.fixture
def machine(tmpdir, mocker):
    mocker.patch("time.sleep")
    machine = Machine(tmpdir.realpath())
    machine.files("sys/block/md0", size=2048, dev="9:0")
    machine.files(
        "run/udev/data", **{"b9:0": "E:MD_UUID=%s\nE:MD_NAME=any:md0" % ":".join(["01234567"] * 4)}
    )
    return machine


def shown(machine):
    """The arrays as (health, [(device, state) of the members])."""
    return [
        (record.health, [(one.device, one.state) for one in record.members])
        for record in md_state.read_arrays(machine.host)
    ]


WHOLE = [("optimal", [("/dev/sda", "active"), ("/dev/sdb1", "active")])]
WITHOUT = [("degraded", [("/dev/sda", "active"), (None, "missing")])]


def test_a_member_that_was_let_go_is_none(machine, mocker):
    assert shown(machine) == WHOLE
    system_faults.Reads(mocker, lambda path, count: errno.EBUSY if MEMBER in path else None)
    assert shown(machine) == WITHOUT


def test_a_member_that_was_busy_for_a_moment_is_one(machine, mocker):
    reads = system_faults.Reads(
        mocker, lambda path, count: errno.EBUSY if MEMBER in path and len(reads.calls) % 3 else None
    )
    assert shown(machine) == WHOLE


def test_an_array_that_was_let_go_is_none(machine, mocker):
    machine.files("etc", **{"mdadm.conf": "ARRAY /dev/md0 UUID=" + ":".join(["01234567"] * 4)})
    system_faults.Reads(mocker, lambda path, count: errno.EBUSY if ARRAY in path else None)
    assert shown(machine) == [("missing", [])]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.ENODEV])
@pytest.mark.parametrize("part,otherwise", [(MEMBER, WITHOUT), (ARRAY, [])])
def test_what_goes_while_it_is_read_is_never_shown_as_it_is_not(
    machine, mocker, number, part, otherwise
):
    """Whichever read meets it first: before, all was there; from then on, nothing of it."""
    whole = system_faults.Reads(mocker, lambda path, count: None)
    assert shown(machine) == WHOLE
    for first in range(len(whole.calls) + 1):
        system_faults.Reads(
            mocker,
            lambda path, count, first=first: number if count >= first and part in path else None,
        )
        assert shown(machine) in (WHOLE, otherwise), whole.calls[first : first + 1]


@pytest.mark.parametrize("path", ["size", "dev", "removable"])
def test_what_is_not_known_of_another_device_is_an_error(machine, mocker, path):
    """Unknown is not empty: only md means by it that there is none."""
    machine.files("sys/block/sda/queue", rotational=1)
    machine.files("sys/devices/host0/0:0:0:0/block/sda", removable=0)
    system_faults.Reads(mocker, lambda at, count: errno.EBUSY)
    with pytest.raises(EnvironmentError) as caught:
        sysfs.attribute(machine.host, "sda", path)
    assert caught.value.errno == errno.EBUSY


def test_another_error_of_md_is_one(machine, mocker):
    system_faults.Reads(mocker, lambda at, count: errno.EIO)
    with pytest.raises(EnvironmentError):
        md_state.read_arrays(machine.host)


def test_a_busy_write_is_an_error(machine, mocker):
    system_faults.fails(mocker, "os.write", errno.EBUSY)
    with pytest.raises(members.CommandFailed) as caught:
        machine.host.write_attribute("/sys/block/md0/md/array_state", "readonly")
    assert caught.value.parameters[1] == "EBUSY"


@pytest.mark.parametrize("busy_reads", [0, 1, 5, 30])
def test_a_member_is_taken_out_though_the_kernel_is_slow_to_forget_it(machine, mocker, busy_reads):
    """As replace_disk does in its middle: mdadm has ended, and the member's folder is there for a
    while.
    """
    machine.tool("mdadm", "")
    reads = []

    def when(path, count):
        if MEMBER not in path:
            return None
        reads.append(path)
        if len(reads) == busy_reads:
            shutil.rmtree(str(machine.folder.join("sys/block/md0/md/dev-sdb1")))
        return errno.EBUSY

    record = md_state.find_array(machine.host, "md0")
    if not busy_reads:
        shutil.rmtree(str(machine.folder.join("sys/block/md0/md/dev-sdb1")))
    system_faults.Reads(mocker, when)
    members._take_out(machine.host, record, "/dev/sdb1")
    assert machine.log("mdadm") == ["--manage /dev/md0 --remove detached"]


@pytest.mark.parametrize("gone", ["sda", "sdb1"])
def test_a_small_disk_is_refused_while_a_member_goes(machine, mocker, gone):
    """The room before the data counts, which a member that has gone cannot tell."""
    machine.files("sys/block/md0/md", component_size=1000)
    for member in ("sda", "sdb1"):
        machine.files("sys/block/md0/md/dev-" + member, offset=2048)
    record, disk = (
        md_state.find_array(machine.host, "md0"),
        made.disk(device="/dev/sdc", size_bytes=1000 * 1024 + 2048 * 512),
    )
    system_faults.Reads(
        mocker, lambda path, count: errno.EBUSY if "/dev-%s/" % gone in path else None
    )
    members._refuse_small(machine.host, record, disk)
    with pytest.raises(DiskInUse):
        members._refuse_small(machine.host, record, disk.replace(size_bytes=disk.size_bytes - 1))
