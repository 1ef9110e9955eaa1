"""The health of an array and the redundancy that is left, from what sysfs says."""

import pytest

from tests.unit.test_identify import Machine
from xsraid.md import state as md_state


def read(tmpdir, level, raid_disks, active, array_state="clean", **more):
    """The record of md0 with these numbers of members, and with active members in the slots
    named.
    """
    machine = Machine(tmpdir.realpath())
    tmpdir.join("sys/block/md0").remove()
    machine.files(
        "sys/block/md0/md", level=level, raid_disks=raid_disks, array_state=array_state, **more
    )
    for slot in active:
        machine.files(
            "sys/block/md0/md/dev-sd" + "abcdef"[slot], state="in_sync", slot=slot, errors=0
        )
        machine.files("sys/block/md0/md/dev-sd%s/block" % "abcdef"[slot], dev="8:%d" % (16 * slot))
    (record,) = md_state.read_arrays(machine.host)
    return record.health, record.redundancy_left


@pytest.mark.parametrize(
    "level,raid_disks,active,left",
    [
        ("raid1", "3 (2)", (0, 1, 2), 1),  # it gains a copy: as its old shape survives
        ("raid1", "2 (3)", (0, 1, 2), 1),  # it loses one: as its new one
        ("raid1", "3 (2)", (0, 1), 1),
        ("raid5", "4 (3)", (0, 1, 2, 3), 1),
        ("raid5", "4 (3)", (0, 1, 2), 0),
        ("raid5", "3 (4)", (0, 1, 2), 0),
        ("raid6", "6 (5)", (0, 1, 2, 3, 4), 1),
        ("raid6", "5 (6)", (1, 2, 3, 4, 5), 1),
        ("raid6", "6 (5)", (0, 1, 2, 3, 4, 5), 2),
    ],
)
def test_an_array_that_is_reshaped_survives_what_both_shapes_do(
    tmpdir, level, raid_disks, active, left
):
    assert read(tmpdir, level, raid_disks, active, sync_action="reshape")[1] == left


@pytest.mark.parametrize("level", ["raid0", "raid1", "raid5", "raid10"])
@pytest.mark.parametrize(
    "array_state,is_failed",
    [
        ("broken", True),
        ("clean", False),
        ("active", False),
        ("read-auto", False),
        ("readonly", False),
    ],
)
def test_an_array_that_the_kernel_calls_broken_has_failed(tmpdir, level, array_state, is_failed):
    """Whatever members it seems to have."""
    health, left = read(tmpdir, level, 4, range(4), array_state, layout=0x102)
    assert (health == "failed") == is_failed
    assert left == 0 or not is_failed


@pytest.mark.parametrize(
    "level,active,health,left",
    [
        ("raid1", (0, 1), "optimal", 1),
        ("raid1", (1,), "degraded", 0),
        ("raid1", (), "failed", 0),
        ("raid0", (0, 1), "no_redundancy", 0),
        ("raid0", (0,), "failed", 0),
    ],
)
def test_health(tmpdir, level, active, health, left):
    assert read(tmpdir, level, 2, active) == (health, left)


@pytest.mark.parametrize("array_state", ["inactive"])
def test_an_array_that_waits_for_members_is_inactive(tmpdir, array_state):
    assert read(tmpdir, "raid1", 2, (0, 1), array_state) == ("inactive", 0)
