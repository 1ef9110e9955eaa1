import pytest

from xsraid.usage import DiskFacts, Snapshot, decide

MIB = 1 << 20
FREE = DiskFacts("sdb", 64 * MIB, False, False, "0", [], [], None, None)
NOTHING = Snapshot({"sdb": "8:16", "sdb1": "8:17", "md0": "9:0", "dm-0": "253:0"}, {}, {}, set(), {}, set(), {})
UUID = "11111111222222223333333344444444"


def words(facts=FREE, **known):
    refusals, stale = decide(facts, NOTHING._replace(**known))
    assert all(refusal["detail"] for refusal in refusals)
    return [refusal["reason"] for refusal in refusals], [item["type"] for item in stale]


def test_a_blank_disk_may_be_used():
    assert words() == ([], [])


@pytest.mark.parametrize(
    "reasons,facts,known",
    [
        (["MOUNTED"], FREE, {"mounts": {"8:16": ["/srv"]}}),
        (["BOOT_DISK", "MOUNTED", "PARTITIONS"], FREE._replace(partitions=["sdb1"]), {"above": {"sdb": ["sdb1"]}, "mounts": {"8:17": ["/boot"]}}),
        (["SWAP"], FREE, {"swaps": {"8:16"}}),
        (["PARTITIONS"], FREE._replace(partitions=["sdb1"]), {"above": {"sdb": ["sdb1"]}}),
        (["RAID_MEMBER"], FREE, {"above": {"sdb": ["md0"]}}),
        (["MOUNTED", "RAID_MEMBER"], FREE, {"above": {"sdb": ["md0"]}, "mounts": {"9:0": ["/data"]}}),
        (["RAID_MEMBER"], FREE._replace(signatures=[("linux_raid_member", 4096, "11111111-2222-2222-3333-333344444444")]), {"md_uuids": {UUID}}),
        (["DEVICE_MAPPER"], FREE, {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "LVM-x"}}),
        (["MULTIPATH"], FREE, {"above": {"sdb": ["dm-0"]}, "dm_uuids": {"dm-0": "mpath-3600"}}),
        (["SR_DEVICE"], FREE, {"sr_devices": {"8:16": "Local storage"}}),
        (["HELD"], FREE, {"above": {"sdb": ["bcache0"]}}),
        (["HELD"], FREE._replace(held="another program holds it"), {}),
        (["LVM_PV"], FREE._replace(signatures=[("LVM2_member", 536, "VG_XenStorage-1")]), {}),
        (["READ_ONLY"], FREE._replace(read_only=True), {}),
        (["REMOVABLE", "OPTICAL", "TOO_SMALL"], FREE._replace(removable=True, scsi_type="5", size_bytes=0), {}),
        (["TOO_SMALL"], FREE._replace(size_bytes=MIB), {}),
        (["UNREADABLE"], FREE._replace(unreadable="wipefs: I/O error"), {}),
    ],
)
def test_every_reason_is_given(reasons, facts, known):
    assert words(facts, **known) == (reasons, [])


def test_what_is_left_from_earlier_is_stale_and_not_a_refusal():
    signatures = [("ext4", 1080, ""), ("linux_raid_member", 4096, "99999999-2222-2222-3333-333344444444")]
    assert words(FREE._replace(signatures=signatures), md_uuids={UUID}) == ([], ["ext4", "linux_raid_member"])


def test_a_ring_of_holders_ends():
    assert words(FREE, above={"sdb": ["dm-0"], "dm-0": ["sdb"]}, dm_uuids={"dm-0": ""}) == (["DEVICE_MAPPER"], [])
