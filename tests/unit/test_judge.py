"""What uses an array and what is on it, and whether a disk with two paths may be used: decided from
drawn graphs.
"""

import pytest

from tests import made
from tests.unit.graphs import SR_UUIDS, array_uuid, graph
from xsraid.disks.refusals import DiskFacts, decide, decide_array
from xsraid.md import conf

MIB = 1 << 20
SR_GROUP = "VG_XenStorage-" + SR_UUIDS["data"]
OTHER = made.array(device="/dev/md9", uuid=array_uuid("9"), health="missing", configured=True)
FACTS = DiskFacts("sdb", 64 * MIB, 512, False, False, "0", None, [], {})


def judged(drawing, held=None, **known):
    uses, stale = decide_array("md0", graph(drawing, **known), held or {})
    assert all(use.what and use.advice.endswith(".") for use in uses)
    return [(use.reason, use.what) for use in uses], [
        (item["type"], item["device"], item["label"]) for item in stale
    ]


def reasons(drawing, facts=FACTS, allow_removable=False, **known):
    refusals, stale = decide(facts, graph(drawing, **known), allow_removable=allow_removable)
    assert not (refusals and stale)
    return [refusal["reason"] for refusal in refusals]


@pytest.mark.parametrize(
    "drawing,uses,known",
    [
        ("md0", [], {}),
        ("md0: mounted=/srv ext4", [("MOUNTED", "the mount /srv")], {}),
        ("md0: swap", [("SWAP", "swap on /dev/md0")], {}),
        ("md0: sr=data", [("SR_DEVICE", "the storage repository data")], {"srs": ["data"]}),
        ("md0: pv=" + SR_GROUP, [("SR_DEVICE", "the storage repository data")], {"srs": ["data"]}),
        (
            "md0: pv=XSLocalLargeBlock-" + SR_UUIDS["data"],
            [("SR_DEVICE", "the storage repository data")],
            {"srs": ["data"]},
        ),
        (
            "md0: sr=data pv=" + SR_GROUP,
            [("SR_DEVICE", "the storage repository data")],
            {"srs": ["data"]},
        ),
        (
            "md0: pv",
            [("LVM_PV", "an LVM physical volume of which LVM does not say the group (/dev/md0)")],
            {},
        ),
        (
            "md0: copy=old",
            [("LVM_PV", "an LVM physical volume of which LVM does not say the group (/dev/md0)")],
            {},
        ),
        (
            "md0: member=9",
            [
                (
                    "RAID_MEMBER",
                    "an array that is built on it: it is a member of the array %s, which is in "
                    "/etc/mdadm.conf or running" % array_uuid("9"),
                )
            ],
            {"arrays": [OTHER]},
        ),
        (
            "md0: member=9\n  md9",
            [("RAID_MEMBER", "the array /dev/md9, which is built on it")],
            {"arrays": [OTHER]},
        ),
        ("md0: unreadable", [("UNREADABLE", "/dev/md0 cannot be looked at (I/O error)")], {}),
        (
            "md0\n  md0p1: unreadable",
            [("UNREADABLE", "/dev/md0p1 cannot be looked at (I/O error)")],
            {},
        ),
        ("md0\n  dm-0: dm=CRYPT-x name=secret", [("DEVICE_MAPPER", "/dev/dm-0 (secret)")], {}),
        ("md0\n  bcache0", [("HELD", "/dev/bcache0")], {}),
        # on a partition, and above it
        ("md0: gpt\n  md0p1", [], {}),
        (
            "md0: gpt\n  md0p1: sr=data",
            [("SR_DEVICE", "the storage repository data")],
            {"srs": ["data"]},
        ),
        (
            "md0: gpt\n  md0p1: pv=" + SR_GROUP,
            [("SR_DEVICE", "the storage repository data")],
            {"srs": ["data"]},
        ),
        (
            "md0: gpt\n  md0p1: ext4=boot",
            [("PARTITIONS", "ext4 'boot' on /dev/md0p1 (at byte 1080) on its partition")],
            {},
        ),
        (
            "md0: gpt\n  md0p1: pv=idle",
            [("PARTITIONS", "LVM2_member 'idle' on /dev/md0p1 (at byte 536) on its partition")],
            {},
        ),
        (
            "md0: gpt\n  md0p1: member=9",
            [
                (
                    "RAID_MEMBER",
                    "an array that is built on it: it is a member of the array %s, which is in "
                    "/etc/mdadm.conf or running" % array_uuid("9"),
                )
            ],
            {"arrays": [OTHER]},
        ),
        (
            "md0: gpt\n  md0p1: ext4\n    md5: mounted=/srv",
            [
                ("MOUNTED", "the mount /srv"),
                ("RAID_MEMBER", "the array /dev/md5, which is built on it"),
                ("PARTITIONS", "ext4 on /dev/md0p1 (at byte 1080) on its partition"),
            ],
            {},
        ),
    ],
)
def test_what_uses_an_array(drawing, uses, known):
    assert judged(drawing, **known)[0] == uses


def test_active_volumes_are_told_by_their_group():
    uses, stale = judged(
        "md0: pv=my-group\n  dm-0: dm=LVM-uuid-of-my-groupx name=my--group-my--volume mounted=/srv"
    )
    assert stale == []
    assert uses == [
        ("MOUNTED", "the mount /srv"),
        ("LVM_PV", "/dev/dm-0 (the volume my-volume of the volume group my-group)"),
        ("LVM_PV", "the volume group my-group, which has active volumes"),
    ]


@pytest.mark.parametrize(
    "drawing,stale,known",
    [
        ("md0: ext4=old", [("ext4", "/dev/md0", "old")], {}),
        ("md0: pv=idle", [("LVM2_member", "/dev/md0", "idle")], {}),
        ("md0: pv=" + SR_GROUP, [("LVM2_member", "/dev/md0", SR_GROUP)], {"srs": ["other"]}),
        ("md0: member=9", [("linux_raid_member", "/dev/md0", "any:md9")], {}),
        ("md0: gpt\n  md0p1", [("gpt", "/dev/md0", "")], {}),
    ],
)
def test_what_is_idle_on_an_array(drawing, stale, known):
    assert judged(drawing, **known) == ([], stale)


def test_an_array_that_somebody_holds_is_in_use():
    assert judged("md0", held={"md0": "another program holds it open exclusively"})[0] == [
        ("HELD", "/dev/md0: another program holds it open exclusively")
    ]


@pytest.mark.parametrize(
    "drawing,expected,known",
    [
        ("sda\nsdb: path=sda", [], {}),
        ("sda: mounted=/srv\nsdb: path=sda", ["MOUNTED"], {}),
        ("sda: gpt\n  sda1: mounted=/\nsdb: path=sda gpt", ["BOOT_DISK", "MOUNTED"], {}),
        ("sda\n  md0\nsdb: path=sda", ["RAID_MEMBER"], {}),
        ("sda\n  sda1\n    md0\nsdb: path=sda", ["RAID_MEMBER"], {}),
        ("sda\n  dm-0: dm=mpath-1\nsdb: path=sda", ["MULTIPATH"], {}),
        ("sda: swap\nsdb: path=sda", ["SWAP"], {}),
        ("sda: sr=data\nsdb: path=sda", ["SR_DEVICE"], {"srs": ["data"]}),
        ("sda\nsdb: path=sda path=sdc\nsdc: mounted=/srv", ["MOUNTED"], {}),
        ("sda: mounted=/srv\nsdb", [], {}),
        # through arrays and their partitions
        ("sdb\n  md0\n    md0p1: mounted=/srv", ["MOUNTED", "RAID_MEMBER"], {}),
        ("sdb\n  md0\n    md2", ["RAID_MEMBER"], {}),
    ],
)
def test_a_disk_is_used_by_what_uses_its_other_paths(drawing, expected, known):
    assert reasons(drawing, **known) == expected


def test_the_other_path_is_named():
    refusals, _ = decide(FACTS, graph("sda: mounted=/srv\nsdb: path=sda"))
    assert refusals[0]["detail"] == "it may be the same disk as /dev/sda: /dev/sda on /srv"


def test_a_partition_of_an_array_is_no_array():
    refusals, _ = decide(FACTS, graph("sdb\n  md127\n    md127p1"))
    assert [refusal["detail"] for refusal in refusals] == ["it is a member of the array /dev/md127"]


@pytest.mark.parametrize(
    "transport,scsi_type,allowed,expected",
    [
        ("sas", "0", True, []),
        ("sas", "0", False, ["REMOVABLE"]),
        ("usb", "0", True, ["REMOVABLE"]),
        ("usb", "0", False, ["REMOVABLE"]),
        (None, "0", True, []),
        ("ata", "5", True, ["REMOVABLE", "OPTICAL"]),
    ],
)
def test_removable_disks(transport, scsi_type, allowed, expected):
    facts = FACTS._replace(removable=True, transport=transport, scsi_type=scsi_type)
    assert reasons("sdb", facts, allow_removable=allowed) == expected


def test_commands_name_what_holds_after_a_reboot():
    drawn = graph("sdb: copy=old")
    drawn.links["sdb"] = "/dev/disk/by-id/scsi-S1"
    refusals, _ = decide(FACTS, drawn)
    assert "`wipefs --all --types LVM2_member /dev/disk/by-id/scsi-S1`" in refusals[0]["detail"]


def test_a_line_that_names_the_other_path_of_a_member_knows_it():
    lines = conf.Configuration("ARRAY /dev/md5 devices=/dev/sda,/dev/sdd1\n").array_lines()
    assert reasons("sda: member=1\nsdb: path=sda member=1", lines=lines) == ["RAID_MEMBER"]
    assert reasons("sda: member=1\nsdb: member=1", lines=lines) == []
    facts = FACTS._replace(partitions=["sdb1"])
    assert reasons(
        "sdd: gpt\n  sdd1: member=1\nsdb: path=sdd gpt\n  sdb1: member=1", facts, lines=lines
    ) == ["RAID_MEMBER", "PARTITIONS"]
