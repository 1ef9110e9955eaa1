"""Whether a disk may be used, decided from a Graph alone."""

import pytest

from tests import made
from tests.unit.graphs import graph
from xsraid.disks.lvm import Group
from xsraid.disks.refusals import DiskFacts, Sr, decide, decide_array
from xsraid.disks.signatures import Signature
from xsraid.md.conf import Configuration

MIB = 1 << 20
UUID = "11111111:22222222:33333333:44444444"
OF_LIBBLKID = "11111111-2222-2222-3333-333344444444"
SR = "0d6e8c6e-7f3e-4a6c-8f0e-111111111111"
FREE = DiskFacts("sdb", 64 * MIB, 512, False, False, "0", None, [], {})
SPLIT = FREE._replace(partitions=["sdb1", "sdb2"])
NOTHING = graph("")._replace(
    numbers={"sdb": "8:16", "sdb1": "8:17", "sdb2": "8:18", "md0": "9:0", "dm-0": "253:0"}
)
RUNNING = made.array(device="/dev/md0", uuid=UUID, health="optimal", configured=True)
LEFT_OVER = made.array(device="/dev/md0", uuid=UUID, health="inactive", configured=False)
MEMBER = Signature("linux_raid_member", 4096, OF_LIBBLKID, "any:md0")
PV = Signature("LVM2_member", 536, "", "")
TABLE = Signature("gpt", 512, "", "")
EXT4 = Signature("ext4", 1080, "", "backup")
TWO = {"sdb": ["sdb1", "sdb2"]}


def words(facts=FREE, allow_4k=False, **known):
    refusals, stale = decide(facts, NOTHING._replace(**known), allow_4k)
    assert all(refusal["detail"] for refusal in refusals)
    assert not (refusals and stale)
    return [refusal["reason"] for refusal in refusals], [item["type"] for item in stale]


def test_a_blank_disk_may_be_used():
    assert words() == ([], [])


@pytest.mark.parametrize(
    "reasons,facts,known",
    [
        (["MOUNTED"], FREE, {"mounts": {"8:16": ["/srv"]}}),
        (
            ["BOOT_DISK", "MOUNTED", "PARTITIONS"],
            SPLIT,
            {"above": TWO, "mounts": {"8:17": ["/boot"]}},
        ),
        (["SWAP"], FREE, {"swaps": {"8:16"}}),
        (["SWAP", "PARTITIONS"], SPLIT, {"above": TWO, "swaps": {"8:18"}}),
        (["PARTITIONS"], SPLIT, {"above": TWO}),  # by a table that wipefs does not know
        (
            ["RAID_MEMBER"],
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [RUNNING], "contents": {"sdb": [MEMBER]}},
        ),
        (
            ["RAID_MEMBER"],
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER], "contents": {"sdb": [MEMBER]}},
        ),
        (
            ["RAID_MEMBER", "PARTITIONS"],
            SPLIT,
            {"above": dict(TWO, sdb1=["md0"]), "arrays": [RUNNING], "contents": {"sdb1": [MEMBER]}},
        ),
        (
            ["MOUNTED", "RAID_MEMBER"],
            FREE,
            {"above": {"sdb": ["md0"]}, "mounts": {"9:0": ["/data"]}},
        ),
        (
            ["RAID_MEMBER"],
            FREE,
            {"contents": {"sdb": [MEMBER]}, "arrays": [RUNNING.replace(health="missing")]},
        ),
        (["DEVICE_MAPPER"], FREE, {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "CRYPT-x"}}),
        (
            ["DEVICE_MAPPER", "LVM_PV"],
            FREE,
            {
                "above": {"sdb": ["dm-0"]},
                "dm_uuids": {"dm-0": "LVM-groupvolume"},
                "contents": {"sdb": [PV]},
                "groups": {"8:16": Group("vg", "group")},
            },
        ),
        # the active volume is on another disk of the group
        (
            ["LVM_PV"],
            FREE,
            {
                "dm_uuids": {"dm-0": "LVM-groupvolume"},
                "contents": {"sdb": [PV]},
                "groups": {"8:16": Group("vg", "group")},
            },
        ),
        (["LVM_PV"], FREE, {"contents": {"sdb": [PV]}}),  # LVM does not say of which group
        (
            ["SR_DEVICE"],
            FREE,
            {
                "contents": {"sdb": [PV]},
                "groups": {"8:16": Group("VG_XenStorage-" + SR, "g")},
                "srs": {SR: Sr("Local", None)},
            },
        ),
        (
            ["SR_DEVICE"],
            FREE,
            {
                "contents": {"sdb": [PV]},
                "groups": {"8:16": Group("XSLocalEXT-" + SR, "g")},
                "srs": {SR: Sr("Local", None)},
            },
        ),
        (["MULTIPATH"], FREE, {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "mpath-3600"}}),
        (["SR_DEVICE"], FREE, {"sr_devices": {"8:16": SR}, "srs": {SR: Sr("Local", None)}}),
        (
            ["SR_DEVICE", "PARTITIONS"],
            SPLIT,
            {"above": TWO, "sr_devices": {"8:17": SR}, "srs": {SR: Sr("Local", None)}},
        ),
        (["HELD"], FREE, {"above": {"sdb": ["bcache0"]}}),
        (["HELD"], FREE._replace(held={"sdb": "another program holds it"}), {}),
        (
            ["PARTITIONS", "HELD"],
            SPLIT._replace(held={"sdb": "somebody", "sdb2": "somebody"}),
            {"above": TWO, "contents": {"sdb": [TABLE]}},
        ),
        (["READ_ONLY"], FREE._replace(read_only=True), {}),
        (
            ["REMOVABLE", "OPTICAL", "TOO_SMALL"],
            FREE._replace(removable=True, scsi_type="5", size_bytes=0),
            {},
        ),
        (["TOO_SMALL"], FREE._replace(size_bytes=MIB), {}),
        (["SECTOR_SIZE"], FREE._replace(sector_bytes=4096), {}),
        (["UNREADABLE"], FREE, {"unreadable": {"sdb": "wipefs: I/O error"}}),
        (
            ["PARTITIONS", "UNREADABLE"],
            SPLIT,
            {"above": TWO, "unreadable": {"sdb": "wipefs: I/O error"}},
        ),
        (
            ["UNREADABLE"],
            SPLIT,
            {
                "above": TWO,
                "contents": {"sdb": [TABLE]},
                "unreadable": {"sdb2": "wipefs: I/O error"},
            },
        ),
    ],
)
def test_every_reason_is_given(reasons, facts, known):
    assert words(facts, **known) == (reasons, [])


@pytest.mark.parametrize(
    "stale,facts,known",
    [
        (["ext4"], FREE, {"contents": {"sdb": [EXT4]}}),
        (
            ["linux_raid_member"],
            FREE,
            {"contents": {"sdb": [MEMBER]}, "arrays": [RUNNING.replace(uuid="9" * 8 + UUID[8:])]},
        ),
        (
            ["LVM2_member"],
            FREE,
            {
                "contents": {"sdb": [PV]},
                "groups": {"8:16": Group("vg", "group")},
                "dm_uuids": {"dm-0": "LVM-othervolume"},
            },
        ),
        (
            ["LVM2_member"],
            FREE,
            {
                "contents": {"sdb": [PV]},
                "groups": {"8:16": Group("", "")},
                "dm_uuids": {"dm-0": "LVM-othervolume"},
            },
        ),
        (
            ["LVM2_member"],
            FREE,
            {"contents": {"sdb": [PV]}, "groups": {"8:16": Group("VG_XenStorage-" + SR, "g")}},
        ),
        (["gpt"], FREE, {"contents": {"sdb": [TABLE]}}),
        (
            ["gpt", "ext4", "linux_raid_member"],
            SPLIT,
            {"above": TWO, "contents": {"sdb": [TABLE], "sdb1": [EXT4], "sdb2": [MEMBER]}},
        ),
    ],
)
def test_what_is_left_from_earlier_is_stale_and_no_refusal(stale, facts, known):
    assert words(facts, **known) == ([], stale)


def test_what_is_stale_is_named():
    _, stale = decide(
        SPLIT,
        NOTHING._replace(
            above=TWO,
            contents={"sdb": [TABLE], "sdb2": [EXT4, PV]},
            groups={"8:18": Group("old", "g")},
        ),
    )
    assert [
        (item["device"], item["type"], item["offset_bytes"], item["label"]) for item in stale
    ] == [
        ("/dev/sdb", "gpt", 512, ""),
        ("/dev/sdb2", "ext4", 1080, "backup"),
        ("/dev/sdb2", "LVM2_member", 536, "old"),
    ]


def test_sectors_of_4_kib_are_taken_when_allowed_and_what_is_on_them_still_counts():
    facts = FREE._replace(sector_bytes=4096)
    assert words(facts, allow_4k=True, contents={"sdb": [EXT4]}) == ([], ["ext4"])
    assert words(facts, allow_4k=True, mounts={"8:16": ["/srv"]}) == (["MOUNTED"], [])


def test_a_ring_of_holders_ends():
    assert words(FREE, above={"sdb": ["dm-0"], "dm-0": ["sdb"]}, dm_uuids={"dm-0": ""}) == (
        ["DEVICE_MAPPER"],
        [],
    )


ARRAY = "11111111:22222222:33333333:44444444"
PVS = {"contents": {"sdb": [PV]}}
LINES = Configuration(
    "MAILADDR root\nARRAY /dev/md7 uuid=%s\nARRAY /dev/md6 super-minor=6\n" % UUID,
    path="/etc/mdadm.conf",
).array_lines()
MINOR = Configuration("ARRAY /dev/md6 super-minor=6\n", path="/etc/mdadm.conf").array_lines()
NAMELESS = Signature("linux_raid_member", 4096, OF_LIBBLKID, "")
WITH_SR = {
    "contents": {"sdb": [PV]},
    "groups": {"8:16": Group("VG_XenStorage-" + SR, "g")},
    "srs": {SR: Sr("Local", None)},
}


@pytest.mark.parametrize(
    "facts,known,told",
    [
        (
            SPLIT,
            {"above": TWO, "mounts": {"8:17": ["/boot"]}},
            ["/dev/sdb1 on /boot", "/dev/sdb1 on /boot", "its partition /dev/sdb1 is in use"],
        ),
        (
            SPLIT,
            {"above": TWO, "swaps": {"8:18"}},
            ["/dev/sdb2 is swap space", "its partition /dev/sdb2 is in use"],
        ),
        (
            SPLIT,
            {"above": TWO},
            [
                "it has partitions (/dev/sdb1 /dev/sdb2) by a table that wipefs does not know: "
                "clear it by hand if nobody needs it"
            ],
        ),
        (
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [RUNNING]},
            ["it is a member of the array /dev/md0"],
        ),
        (FREE, {"above": {"sdb": ["md0"]}}, ["it is a member of the array /dev/md0"]),
        (
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER.replace(configured=True)]},
            ["it is a member of the array /dev/md0"],
        ),
        (
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER.replace(device="/dev/md1"), RUNNING]},
            ["it is a member of the array /dev/md0"],
        ),
        (
            FREE,
            {
                "above": {"sdb": ["md0"]},
                "arrays": [
                    RUNNING,
                    LEFT_OVER.replace(device="/dev/md-1"),
                    LEFT_OVER.replace(device="/dev/md1"),
                ],
            },
            ["it is a member of the array /dev/md0"],
        ),
        (
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER]},
            [
                "it is a member of /dev/md0, which is not running and not in /etc/mdadm.conf (if "
                "nobody needs it, `mdadm --stop /dev/md0`; its superblocks are then stale data)"
            ],
        ),
        (
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER.replace(health="degraded")]},
            ["it is a member of the array /dev/md0"],
        ),
        (
            FREE,
            {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER.replace(health="missing")]},
            ["it is a member of the array /dev/md0"],
        ),
        (
            FREE,
            {"contents": {"sdb": [MEMBER]}, "arrays": [RUNNING.replace(health="missing")]},
            ["it is a member of the array %s, which is in /etc/mdadm.conf or running" % ARRAY],
        ),
        (
            FREE,
            {"contents": {"sdb": [MEMBER]}, "lines": LINES},
            ["it is a member of the array %s, which line 2 of /etc/mdadm.conf knows" % ARRAY],
        ),
        (
            FREE,
            {"contents": {"sdb": [NAMELESS]}, "lines": MINOR},
            ["it is a member of the array %s, which line 1 of /etc/mdadm.conf knows" % ARRAY],
        ),
        (
            FREE,
            {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "mpath-3600"}},
            ["it is a path of /dev/dm-0"],
        ),
        (
            FREE,
            {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "CRYPT-x"}},
            ["/dev/dm-0 (CRYPT-x) is built on it"],
        ),
        (
            FREE,
            {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": ""}},
            ["/dev/dm-0 (device-mapper) is built on it"],
        ),
        (
            FREE,
            {
                "above": {"sdb": ["dm-0"]},
                "dm_uuids": {"dm-0": "CRYPT-x"},
                "dm_names": {"dm-0": "safe"},
            },
            ["/dev/dm-0 (safe) is built on it"],
        ),
        (
            FREE,
            PVS,
            [
                "/dev/sdb is an LVM physical volume, but LVM does not say of which volume group: "
                "it may be a copy of another disk's, half of a mirror, hidden by a filter, or "
                "spoilt. If nobody needs what is on it: `wipefs --all --types LVM2_member "
                "/dev/sdb`."
            ],
        ),
        (
            FREE,
            dict(
                PVS,
                groups={"8:16": Group("vg", "g")},
                copies={"8:16"},
                links={"sdb": "/dev/disk/by-id/x"},
            ),
            [
                "/dev/sdb is an LVM physical volume, by its own metadata of the group vg, but LVM "
                "does not say of which volume group: it may be a copy of another disk's, half of a "
                "mirror, hidden by a filter, or spoilt. If nobody needs what is on it: `wipefs "
                "--all --types LVM2_member /dev/disk/by-id/x`."
            ],
        ),
        (
            FREE,
            dict(PVS, groups={"8:16": Group("vg", "g")}, dm_uuids={"dm-0": "LVM-g1"}),
            ["/dev/sdb belongs to the volume group vg, which has active volumes"],
        ),
        (FREE, WITH_SR, ["/dev/sdb carries the storage repository Local"]),
        (
            FREE,
            {"sr_devices": {"8:16": SR}, "srs": {SR: Sr("Local", None)}},
            ["/dev/sdb is a device of the storage repository Local"],
        ),
        (FREE, {"above": {"sdb": ["bcache0"]}}, ["/dev/bcache0 holds it"]),
        (
            SPLIT._replace(held={"sdb": "somebody", "sdb2": "another"}),
            {"above": TWO, "contents": {"sdb": [TABLE]}},
            ["its partition /dev/sdb2 is in use", "/dev/sdb: somebody; /dev/sdb2: another"],
        ),
        (
            FREE._replace(size_bytes=(16 << 20) - 1),
            {},
            ["16777215 bytes, at least 16777216 are needed"],
        ),
        (FREE._replace(size_bytes=16 << 20), {}, []),
        (
            FREE._replace(sector_bytes=4096),
            {},
            [
                "its logical sectors have 4096 bytes, on which storage repositories of type lvm "
                "and ext make no disks for VMs (SR_BACKEND_FAILURE_78); allow_4k=true takes it for "
                "other uses"
            ],
        ),
        (FREE._replace(scsi_type="6"), {}, []),
        (FREE._replace(scsi_type="14"), {}, []),
        (FREE._replace(removable=True, transport="usb"), {}, ["it is a removable medium"]),
        (
            FREE._replace(removable=True),
            {},
            [
                "it is a removable medium, or its controller says so of each disk: "
                "allow_removable=true takes it where it is a fixed one"
            ],
        ),
        (
            SPLIT,
            {
                "above": TWO,
                "contents": {"sdb": [TABLE]},
                "unreadable": {"sdb": "I/O error", "sdb2": "no answer"},
            },
            ["what is on it cannot be found out: I/O error; no answer"],
        ),
    ],
)
def test_each_reason_is_told_with_what_it_is_about(facts, known, told):
    refusals, _ = decide(facts, NOTHING._replace(**known))
    assert [refusal["detail"] for refusal in refusals] == told


@pytest.mark.parametrize("scsi_type,taken", [("0", True), ("4", True), ("5", False), ("7", True)])
def test_only_an_optical_drive_is_refused_where_removable_disks_are_allowed(scsi_type, taken):
    refusals, _ = decide(
        FREE._replace(removable=True, scsi_type=scsi_type), NOTHING, allow_removable=True
    )
    assert (refusals == []) == taken


@pytest.mark.parametrize(
    "before", ["LVM1_member", "LVM2", "LVM3_member", "a", "linux", "linux_swap", "z"]
)
def test_what_is_neither_a_member_nor_a_physical_volume_is_only_left_over(before):
    known = {
        "contents": {"sdb": [Signature(before, 0, OF_LIBBLKID, "")]},
        "arrays": [RUNNING.replace(health="missing")],
    }
    assert words(**known) == ([], [before])
    assert decide_array("sdb", NOTHING._replace(**known), {})[0] == []


def test_a_superblock_with_a_name_is_not_known_by_its_minor():
    assert words(contents={"sdb": [MEMBER]}, lines=MINOR) == ([], ["linux_raid_member"])
    other = Configuration(
        "ARRAY /dev/md6 super-minor=6 uuid=%s\n" % UUID.replace("1", "9"), path="/etc/mdadm.conf"
    ).array_lines()
    assert words(contents={"sdb": [NAMELESS]}, lines=other) == ([], ["linux_raid_member"])


def test_a_line_without_a_host_knows_an_array_of_any_host():
    line = Configuration("ARRAY /dev/md6 name=md0\n", path="/etc/mdadm.conf").array_lines()
    assert words(contents={"sdb": [MEMBER._replace(label="far:md0")]}, lines=line)[0] == [
        "RAID_MEMBER"
    ]


def test_what_uses_an_array_is_told_with_the_way_out():
    """The storage repository first, each once."""
    known = NOTHING._replace(
        above={"md0": ["md0p1", "dm-0"], "md0p1": ["md9"], "dm-0": ["bcache0"]},
        partitions={"md0": ["md0p1"]},
        numbers=dict(NOTHING.numbers, md0p1="259:1"),
        mounts={"9:0": ["/srv"]},
        swaps={"259:1"},
        dm_uuids={"dm-0": "CRYPT-x"},
        sr_devices={"9:0": SR},
        srs={SR: Sr("Local", "pbd")},
        contents={"md0p1": [EXT4]},
        unreadable={"md0": "I/O error"},
        links={"md0p1": "/dev/disk/by-id/p1"},
    )
    uses, stale = decide_array("md0", known, {"md0": "held"})
    assert [tuple(use) for use in uses] == [
        (
            "SR_DEVICE",
            "the storage repository Local",
            "If nobody needs it and the disks of VMs on it: `xe pbd-unplug uuid=pbd`, then `xe "
            "sr-destroy uuid=%s`." % SR,
        ),
        ("MOUNTED", "the mount /srv", "Unmount it first: `umount /srv`."),
        ("SWAP", "swap on /dev/md0p1", "Switch it off first: `swapoff /dev/md0p1`."),
        (
            "RAID_MEMBER",
            "the array /dev/md9, which is built on it",
            "If nobody needs that one: delete it first.",
        ),
        ("DEVICE_MAPPER", "/dev/dm-0 (CRYPT-x)", "Free it first."),
        (
            "PARTITIONS",
            "ext4 'backup' on /dev/md0p1 (at byte 1080) on its partition",
            "If nobody needs it: `wipefs --all /dev/disk/by-id/p1`.",
        ),
        ("HELD", "/dev/bcache0", "Free it first."),
        (
            "UNREADABLE",
            "/dev/md0 cannot be looked at (I/O error)",
            "Find out why before it is overwritten.",
        ),
    ]
    assert stale == []


def test_the_way_out_of_an_sr_that_is_not_plugged_here_has_no_pbd():
    uses, _ = decide_array(
        "md0", NOTHING._replace(sr_devices={"9:0": SR}, srs={SR: Sr("Local", None)}), {}
    )
    assert [use.advice for use in uses] == [
        "If nobody needs it and the disks of VMs on it: `xe sr-destroy uuid=%s`." % SR
    ]


@pytest.mark.parametrize("uses", [[], ["swap"]])
def test_who_holds_an_array_is_told_where_nothing_else_is_known(uses):
    found, _ = decide_array(
        "md0", NOTHING._replace(swaps={"9:0"} if uses else set()), {"md0": "somebody holds it"}
    )
    assert [use.what for use in found] == (
        ["swap on /dev/md0"] if uses else ["/dev/md0: somebody holds it"]
    )
    assert decide_array("md0", NOTHING, {}) == ([], [])


def test_a_former_member_is_told_how_it_is_freed():
    """Not one that is another path to a member."""
    free = NOTHING._replace(contents={"sdb": [MEMBER]}, arrays=[RUNNING])
    (told,) = decide(FREE, free)[0]
    assert "remove_disk array=/dev/md0 with wipe_old=true" in told["detail"]
    member = {"device": "/dev/sdx", "slot": 0, "state": "active"}
    with_path = made.array(device="/dev/md0", uuid=UUID, health="optimal", members=[member])
    graph_of_both = free._replace(arrays=[with_path], paths={"sdb": ["sdx"]})
    assert "remove_disk" not in str(decide(FREE, graph_of_both)[0])
