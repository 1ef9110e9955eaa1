"""Whether a disk may be used, decided from a Snapshot alone."""

import pytest

from xsraid.lvm import Group
from xsraid.probe import Signature
from xsraid.usage import DiskFacts, Snapshot, decide

MIB = 1 << 20
UUID = "11111111:22222222:33333333:44444444"
OF_LIBBLKID = "11111111-2222-2222-3333-333344444444"
SR = "0d6e8c6e-7f3e-4a6c-8f0e-111111111111"
FREE = DiskFacts("sdb", 64 * MIB, 512, False, False, "0", [], {})
SPLIT = FREE._replace(partitions=["sdb1", "sdb2"])
NOTHING = Snapshot(
    numbers={"sdb": "8:16", "sdb1": "8:17", "sdb2": "8:18", "md0": "9:0", "dm-0": "253:0"}, above={}, mounts={}, swaps=set(), dm_uuids={}, arrays=[],
    sr_devices={}, srs={}, contents={}, unreadable={}, groups={})
RUNNING = {"device": "/dev/md0", "uuid": UUID, "health": "optimal", "configured": True}
LEFT_OVER = {"device": "/dev/md0", "uuid": UUID, "health": "inactive", "configured": False}
MEMBER = Signature("linux_raid_member", 4096, OF_LIBBLKID, "any:md0")
PV = Signature("LVM2_member", 536, "", "")
TABLE = Signature("gpt", 512, "", "")
EXT4 = Signature("ext4", 1080, "", "backup")
TWO = {"sdb": ["sdb1", "sdb2"]}


def words(facts=FREE, allow_4k=False, **known):
    refusals, stale = decide(facts, NOTHING._replace(**known), allow_4k)
    assert all(refusal["detail"] for refusal in refusals) and not (refusals and stale)
    return [refusal["reason"] for refusal in refusals], [item["type"] for item in stale]


def test_a_blank_disk_may_be_used():
    assert words() == ([], [])


@pytest.mark.parametrize(
    "reasons,facts,known",
    [
        (["MOUNTED"], FREE, {"mounts": {"8:16": ["/srv"]}}),
        (["BOOT_DISK", "MOUNTED", "PARTITIONS"], SPLIT, {"above": TWO, "mounts": {"8:17": ["/boot"]}}),
        (["SWAP"], FREE, {"swaps": {"8:16"}}),
        (["SWAP", "PARTITIONS"], SPLIT, {"above": TWO, "swaps": {"8:18"}}),
        (["PARTITIONS"], SPLIT, {"above": TWO}),  # by a table that wipefs does not know
        (["RAID_MEMBER"], FREE, {"above": {"sdb": ["md0"]}, "arrays": [RUNNING], "contents": {"sdb": [MEMBER]}}),
        (["RAID_MEMBER"], FREE, {"above": {"sdb": ["md0"]}, "arrays": [LEFT_OVER], "contents": {"sdb": [MEMBER]}}),
        (["RAID_MEMBER", "PARTITIONS"], SPLIT, {"above": dict(TWO, sdb1=["md0"]), "arrays": [RUNNING], "contents": {"sdb1": [MEMBER]}}),
        (["MOUNTED", "RAID_MEMBER"], FREE, {"above": {"sdb": ["md0"]}, "mounts": {"9:0": ["/data"]}}),
        (["RAID_MEMBER"], FREE, {"contents": {"sdb": [MEMBER]}, "arrays": [dict(RUNNING, health="missing")]}),
        (["DEVICE_MAPPER"], FREE, {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "CRYPT-x"}}),
        (["DEVICE_MAPPER", "LVM_PV"], FREE, {
            "above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "LVM-groupvolume"}, "contents": {"sdb": [PV]},
            "groups": {"8:16": Group("vg", "group")}}),
        # the active volume is on another disk of the group
        (["LVM_PV"], FREE, {"dm_uuids": {"dm-0": "LVM-groupvolume"}, "contents": {"sdb": [PV]}, "groups": {"8:16": Group("vg", "group")}}),
        (["LVM_PV"], FREE, {"contents": {"sdb": [PV]}}),  # LVM does not say of which group
        (["SR_DEVICE"], FREE, {"contents": {"sdb": [PV]}, "groups": {"8:16": Group("VG_XenStorage-" + SR, "g")}, "srs": {SR: "Local"}}),
        (["SR_DEVICE"], FREE, {"contents": {"sdb": [PV]}, "groups": {"8:16": Group("XSLocalEXT-" + SR, "g")}, "srs": {SR: "Local"}}),
        (["MULTIPATH"], FREE, {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "mpath-3600"}}),
        (["SR_DEVICE"], FREE, {"sr_devices": {"8:16": "Local storage"}}),
        (["SR_DEVICE", "PARTITIONS"], SPLIT, {"above": TWO, "sr_devices": {"8:17": "Local storage"}}),
        (["HELD"], FREE, {"above": {"sdb": ["bcache0"]}}),
        (["HELD"], FREE._replace(held={"sdb": "another program holds it"}), {}),
        (["PARTITIONS", "HELD"], SPLIT._replace(held={"sdb": "somebody", "sdb2": "somebody"}), {"above": TWO, "contents": {"sdb": [TABLE]}}),
        (["READ_ONLY"], FREE._replace(read_only=True), {}),
        (["REMOVABLE", "OPTICAL", "TOO_SMALL"], FREE._replace(removable=True, scsi_type="5", size_bytes=0), {}),
        (["TOO_SMALL"], FREE._replace(size_bytes=MIB), {}),
        (["SECTOR_SIZE"], FREE._replace(sector_bytes=4096), {}),
        (["UNREADABLE"], FREE, {"unreadable": {"sdb": "wipefs: I/O error"}}),
        (["PARTITIONS", "UNREADABLE"], SPLIT, {"above": TWO, "unreadable": {"sdb": "wipefs: I/O error"}}),
        (["UNREADABLE"], SPLIT, {"above": TWO, "contents": {"sdb": [TABLE]}, "unreadable": {"sdb2": "wipefs: I/O error"}}),
    ],
)
def test_every_reason_is_given(reasons, facts, known):
    assert words(facts, **known) == (reasons, [])


@pytest.mark.parametrize(
    "stale,facts,known",
    [
        (["ext4"], FREE, {"contents": {"sdb": [EXT4]}}),
        (["linux_raid_member"], FREE, {"contents": {"sdb": [MEMBER]}, "arrays": [dict(RUNNING, uuid="9" * 8 + UUID[8:])]}),
        (["LVM2_member"], FREE, {"contents": {"sdb": [PV]}, "groups": {"8:16": Group("vg", "group")}, "dm_uuids": {"dm-0": "LVM-othervolume"}}),
        (["LVM2_member"], FREE, {"contents": {"sdb": [PV]}, "groups": {"8:16": Group("", "")}, "dm_uuids": {"dm-0": "LVM-othervolume"}}),
        (["LVM2_member"], FREE, {"contents": {"sdb": [PV]}, "groups": {"8:16": Group("VG_XenStorage-" + SR, "g")}}),
        (["gpt"], FREE, {"contents": {"sdb": [TABLE]}}),
        (["gpt", "ext4", "linux_raid_member"], SPLIT, {"above": TWO, "contents": {"sdb": [TABLE], "sdb1": [EXT4], "sdb2": [MEMBER]}}),
    ],
)
def test_what_is_left_from_earlier_is_stale_and_no_refusal(stale, facts, known):
    assert words(facts, **known) == ([], stale)


def test_what_is_stale_is_named():
    _, stale = decide(SPLIT, NOTHING._replace(above=TWO, contents={"sdb": [TABLE], "sdb2": [EXT4, PV]}, groups={"8:18": Group("old", "g")}))
    assert [(item["device"], item["type"], item["offset_bytes"], item["label"]) for item in stale] == [
        ("/dev/sdb", "gpt", 512, ""), ("/dev/sdb2", "ext4", 1080, "backup"), ("/dev/sdb2", "LVM2_member", 536, "old")]


def test_sectors_of_4_kib_are_taken_when_allowed_and_what_is_on_them_still_counts():
    facts = FREE._replace(sector_bytes=4096)
    assert words(facts, allow_4k=True, contents={"sdb": [EXT4]}) == ([], ["ext4"])
    assert words(facts, allow_4k=True, mounts={"8:16": ["/srv"]}) == (["MOUNTED"], [])


def test_a_ring_of_holders_ends():
    assert words(FREE, above={"sdb": ["dm-0"], "dm-0": ["sdb"]}, dm_uuids={"dm-0": ""}) == (["DEVICE_MAPPER"], [])
