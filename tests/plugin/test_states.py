"""What arrays are besides whole and degraded, and what is refused or done first because of it. md
is played, and what mdadm was asked is seen.
"""

import os

import pytest

from tests.plugin.conftest import UUID

VOLUME_UUID = "11111111:22222222:33333333:44444444"
CHANGES = (
    "--stop",
    "--zero-superblock",
    "--add",
    "--remove",
    "--replace",
    "--grow",
    "--set-faulty",
    "--readwrite",
    "--action",
)


def one(machine, array="md0"):
    (record,) = machine.call("list_arrays", array=array)["arrays"]
    return record


def asked(machine):
    """What mdadm was asked to change, in order."""
    lines = (
        machine.read("run/mdadm.log").splitlines()
        if os.path.exists(machine.path("run/mdadm.log"))
        else []
    )
    return [line for line in lines if any(word in line for word in CHANGES)]


def firmware_raid(machine, sysfs):
    """A container md127 of sda and sdb, and the volume md0 in it."""
    both = (("sda", "spare", "none"), ("sdb", "spare", "none"))
    container = {
        "md__array_state": "inactive",
        "md__level": "",
        "md__metadata_version": "external:imsm",
        "md__raid_disks": 0,
    }
    sysfs.array("md127", "9:127", both, **container)
    sysfs.array(md__metadata_version="external:/md127/0")
    sysfs.udev("9:0", "E:MD_UUID=" + VOLUME_UUID, "E:MD_NAME=Volume0")


CALLS_ON_MEMBERS = [
    ("add_disk", {"disk": "/dev/sdc"}),
    ("replace_disk", {"disk": "/dev/sda", "new_disk": "/dev/sdc"}),
    ("remove_disk", {"disk": "/dev/sda"}),
    ("grow_array", {"devices": "/dev/sdc"}),
]


def test_firmware_raid_is_a_container_and_its_volumes(machine, sysfs):
    firmware_raid(machine, sysfs)
    volume, container = machine.call("list_arrays")["arrays"]
    assert (container["health"], container["level"], container["redundancy_left"]) == (
        "container",
        "container",
        None,
    )
    assert "container" not in container
    assert "nothing needs to be done" in container["summary"]
    assert (volume["health"], volume["level"], volume["container"]) == (
        "optimal",
        "raid1",
        "/dev/md127",
    )


@pytest.mark.parametrize("version", ["external:/md127/0", "external:-md127/0"])
def test_a_volume_tells_its_container(machine, sysfs, version):
    sysfs.array(md__metadata_version=version)
    assert one(machine)["container"] == "/dev/md127"


@pytest.mark.parametrize("function,arguments", CALLS_ON_MEMBERS)
def test_members_of_a_volume_are_changed_in_its_container(machine, sysfs, function, arguments):
    """mdadm would refuse the disk, but by then it would have been erased."""
    firmware_raid(machine, sysfs)
    refused = machine.refusal(function, array="md0", **arguments)
    assert refused[:2] == ["XSRAID_BAD_ARGUMENT", "array"]
    assert "in its container /dev/md127" in refused[-1]
    assert asked(machine) == []


@pytest.mark.parametrize("array,confirm", [("md127", "md127"), ("md0", "Volume0")])
def test_firmware_raid_is_not_deleted(machine, sysfs, array, confirm):
    """Its metadata are those of all its volumes together."""
    firmware_raid(machine, sysfs)
    refused = machine.refusal("delete_array", array=array, confirm=confirm)
    assert refused[:2] == ["XSRAID_BAD_ARGUMENT", "array"]
    assert "is deleted in the setup of the firmware" in refused[-1]
    assert asked(machine) == []


@pytest.mark.parametrize(
    "line",
    [
        "ARRAY /dev/md/box metadata=imsm UUID=",
        "ARRAY /dev/md/box container=%s member=0 UUID=" % VOLUME_UUID,
    ],
)
def test_nor_is_firmware_raid_that_is_missing(machine, sysfs, line):
    machine.write("etc/mdadm.conf", line + UUID + "\n")
    assert machine.refusal("delete_array", array=UUID, confirm="box")[:2] == [
        "XSRAID_BAD_ARGUMENT",
        "array",
    ]
    assert asked(machine) == []
    assert UUID in machine.read("etc/mdadm.conf")


@pytest.mark.parametrize(
    "function,arguments",
    [("check_array", {"action": "start"}), ("create_sr", {}), ("adopt_array", {})]
    + CALLS_ON_MEMBERS,
)
def test_nothing_is_done_to_a_container(machine, sysfs, function, arguments):
    firmware_raid(machine, sysfs)
    refused = machine.refusal(function, array="md127", **arguments)
    assert refused[0] == "XSRAID_UNKNOWN_ARRAY"
    assert "this array is the container of firmware RAID" in refused[-1]
    assert asked(machine) == []


# mdadm, as far as sysfs shows what it did.
PLAYED = """echo "$*" >>/run/mdadm.log
md=/sys/block/md0/md
case "$*" in
*--readwrite*) echo clean >$md/array_state;;
esac
"""
ONE_FAILED = (("sda", "in_sync", 0), ("sdb", "faulty", "none"))


@pytest.mark.parametrize(
    "function,arguments",
    CALLS_ON_MEMBERS
    + [
        ("check_array", {"action": "start"}),
        ("fail_disk", {"disk": "/dev/sda", "confirm": "Z1Z0"}),
    ],
)
def test_a_read_only_array_stays_as_it_is(machine, sysfs, function, arguments):
    machine.tool("mdadm", PLAYED)
    sysfs.array(members=ONE_FAILED, md__array_state="readonly")
    refused = machine.refusal(function, array="md0", **arguments)
    assert refused[:2] == ["XSRAID_BAD_ARGUMENT", "array"]
    assert "`mdadm --readwrite /dev/md0`" in refused[-1]
    assert asked(machine) == []


@pytest.mark.parametrize(
    "pending,action",
    [({"md__resync_start": 2048}, "resync"), ({"md__reshape_position": 2048}, "reshape")],
)
def test_what_waits_for_the_first_write_says_so(machine, sysfs, pending, action):
    sysfs.array(md__array_state="read-auto", **pending)
    record = one(machine)
    assert (record["health"], record["sync"]["action"], record["sync_pending"]) == (
        "resyncing",
        action,
        True,
    )
    assert (
        "begins with the first write to the array, or with `mdadm --readwrite /dev/md0`"
        in record["summary"]
    )


FOUR = tuple(("sd" + letter, "in_sync", slot) for slot, letter in enumerate("abcd"))


@pytest.mark.parametrize("level,left", [("raid5", 1), ("raid6", 2), ("raid10", 1)])
@pytest.mark.parametrize(
    "state,is_needed",
    [
        ({"md__sync_action": "resync"}, True),
        ({"md__sync_action": "resync", "md__sync_completed": "delayed"}, True),
        ({"md__array_state": "read-auto", "md__resync_start": 2048}, True),
        ({"md__sync_action": "frozen", "md__resync_start": 2048}, True),
        ({"md__sync_action": "idle", "md__resync_start": 0}, True),
        ({"md__sync_action": "check", "md__resync_start": "none"}, False),
        ({"md__sync_action": "repair"}, False),
        ({"md__sync_action": "idle", "md__resync_start": "none"}, False),
        ({"md__array_state": "read-auto", "md__resync_start": "none"}, False),
    ],
)
def test_parity_that_may_be_wrong_is_no_redundancy(machine, sysfs, level, left, state, is_needed):
    """Copies are: whichever of them is read after an unclean stop, it was written as a whole."""
    is_parity = level != "raid10"
    sysfs.array(members=FOUR, md__level=level, md__raid_disks=4, md__layout=258, **state)
    assert one(machine)["redundancy_left"] == (0 if is_needed and is_parity else left)
    for policy in ("ppl", "journal") if is_parity else ():
        journal = (("sde", "in_sync,journal", "journal"),) if policy == "journal" else ()
        settings = dict(state, md__level=level, md__raid_disks=4, md__consistency_policy=policy)
        sysfs.array(members=FOUR + journal, **settings)
        assert one(machine)["redundancy_left"] == left


@pytest.mark.parametrize("function,more", [("fail_disk", {"confirm": "Z1Z0"}), ("remove_disk", {})])
def test_no_member_is_given_up_while_parity_may_be_wrong(machine, sysfs, function, more):
    machine.tool("mdadm", PLAYED)
    sysfs.array(
        members=FOUR,
        md__level="raid5",
        md__raid_disks=4,
        md__sync_action="resync",
        md__resync_start=2048,
    )
    refused = machine.refusal(function, array="md0", disk="/dev/sda", **more)
    assert refused[:2] == ["XSRAID_WOULD_LOSE_DATA", "/dev/md0"]
    assert "until its resync ends" in refused[2]
    assert asked(machine) == []


@pytest.mark.parametrize(
    "action,advice",
    [
        ("resync", "list_arrays"),
        ("reshape", "list_arrays"),
        ("check", "check_array action=stop"),
        ("repair", "list_arrays"),
    ],
)
def test_a_serving_member_is_not_replaced_while_md_is_at_something_else(
    machine, sysfs, action, advice
):
    """md refuses to be told by which disk, and the mark that the member wants a replacement would
    stay.
    """
    machine.tool("mdadm", PLAYED)
    sysfs.array(md__sync_action=action)
    refused = machine.refusal("replace_disk", array="md0", disk="/dev/sda", new_disk="/dev/sdc")
    assert refused[:3] == ["XSRAID_ARRAY_IN_USE", "/dev/md0", "its own " + action]
    assert advice in refused[3]
    assert asked(machine) == []


def test_an_array_that_nobody_has_written_to_yet_is_as_others_are(machine, sysfs):
    sysfs.array()
    written = one(machine)
    sysfs.attributes(
        "md0", md__array_state="read-auto", md__resync_start="none", md__reshape_position="none"
    )
    assert one(machine) == written


@pytest.mark.parametrize(
    "function,arguments",
    [("check_array", {"action": "start"}), ("grow_array", {"devices": "/dev/sdc"})],
)
def test_a_resync_that_waits_for_the_first_write_goes_on(machine, sysfs, function, arguments):
    """What a call says has to end first would never end."""
    machine.tool("mdadm", PLAYED)
    sysfs.array(md__array_state="read-auto", md__resync_start=2048)
    refused = machine.refusal(function, array="md0", **arguments)
    assert refused[:3] == ["XSRAID_ARRAY_IN_USE", "/dev/md0", "its own resync"]
    assert asked(machine) == ["--readwrite /dev/md0"]


def test_a_spare_that_takes_over_is_filled_without_a_write(machine, sysfs):
    machine.tool("mdadm", PLAYED)
    members = (("sda", "in_sync", 0), ("sdb", "in_sync", 1), ("sdc", "spare", "none"))
    sysfs.array(members=members, md__array_state="read-auto", md__sync_action="frozen")
    machine.call("replace_disk", array="md0", disk="/dev/sdb", new_disk="/dev/sdc")
    assert asked(machine) == [
        "--readwrite /dev/md0",
        "--manage /dev/md0 --replace /dev/sdb --with /dev/sdc",
    ]
    assert machine.read("block/md0/md/sync_action").startswith("idle")


def test_a_frozen_array_does_not_grow_and_says_what_to_do(machine, sysfs):
    sysfs.array(md__sync_action="frozen")
    assert (
        "`echo idle > /sys/block/md0/md/sync_action`"
        in machine.refusal("grow_array", array="md0", devices="/dev/sdc")[-1]
    )


@pytest.mark.parametrize(
    "more,is_held",
    [
        ({"md__sync_action": "check", "md__sync_max": "1024"}, True),
        ({"md__sync_action": "recover", "md__sync_max": "1024"}, True),
        ({"md__sync_action": "check", "md__sync_max": "max"}, False),
        ({"md__sync_action": "idle", "md__sync_max": "1024"}, False),
        # Mdadm moves it on as it saves what is moved.
        ({"md__sync_action": "reshape", "md__sync_max": "1024", "md__raid_disks": "2 (1)"}, False),
    ],
)
def test_what_somebody_has_stopped_at_a_part_says_so(machine, sysfs, more, is_held):
    sysfs.array(**more)
    record = one(machine)
    assert record.get("sync_held", False) is is_held
    assert ("sync_max" in record["summary"]) is is_held


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"md__level": "raid0"},
        {"md__level": "raid7"},
        {"md__sync_action": "check"},
        {"md__raid_disks": 3},
    ],
)
def test_bad_blocks_are_told_of_whatever_the_health_is(machine, sysfs, more):
    sysfs.array(
        md__dev_DASH_sda__bad_blocks="100 8\n2048 1", md__dev_DASH_sdb__bad_blocks="", **more
    )
    record = one(machine)
    assert record["bad_blocks"] == ["/dev/sda"]
    assert record["summary"].endswith(
        " The kernel knows of bad blocks on members (/dev/sda), which hold no data that could be "
        "read."
    )
