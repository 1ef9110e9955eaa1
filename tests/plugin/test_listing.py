"""list_arrays and list_disks from the files of sysfs, as kernels show them."""

import json
import os

import pytest

from tests.plugin.conftest import UUID
from xsraid.md import state as md_state


def one(machine):
    (array,) = machine.call("list_arrays")["arrays"]
    return array


def test_no_arrays(machine):
    assert machine.call("list_arrays") == {"arrays": []}


def test_a_healthy_array(machine, sysfs):
    sysfs.array()
    assert one(machine) == {
        "device": "/dev/md0",
        "by_id": "/dev/disk/by-id/md-uuid-" + UUID,
        "name": "md0",
        "uuid": UUID,
        "level": "raid1",
        "size_bytes": 260096 * 512,
        "chunk_bytes": None,
        "health": "optimal",
        "summary": "All its members serve; one more failure is survived.",
        "redundancy_left": 1,
        "sync": None,
        "mismatch_count": 0,
        "last_check": None,
        "consistency_policy": None,
        "configured": False,
        "sr": None,
        "members": [
            {
                "device": "/dev/sda",
                "serial": "Z1Z0",
                "slot": 0,
                "state": "active",
                "errors": 0,
                "being_replaced": False,
                "enclosure_slot": None,
                "smart": None,
            },
            {
                "device": "/dev/sdb",
                "serial": "Z1Z1",
                "slot": 1,
                "state": "active",
                "errors": 0,
                "being_replaced": False,
                "enclosure_slot": None,
                "smart": None,
            },
        ],
    }


def test_rebuilding_with_progress(machine, sysfs):
    sysfs.array(
        members=(("sda", "in_sync", 0), ("sdb", "faulty", "none"), ("sdc", "spare", 1)),
        md__sync_action="recover",
        md__sync_completed="32768 / 131072",
        md__sync_speed="1024",
    )
    array = one(machine)
    assert (array["health"], array["redundancy_left"]) == ("rebuilding", 0)
    assert array["sync"] == {
        "action": "recover",
        "done_ratio": 0.25,
        "speed_bytes_s": 1048576,
        "remaining_s": 48,
    }
    assert [(member["device"], member["state"]) for member in array["members"]] == [
        ("/dev/sda", "active"),
        ("/dev/sdc", "rebuilding"),
        ("/dev/sdb", "faulty"),
    ]


def test_a_member_without_redundancy_whose_disk_is_gone(machine, sysfs):
    """Before 5.4 md goes on as if nothing were: only the link to the disk is dead."""
    sysfs.array(md__level="raid0")
    assert (one(machine)["health"], one(machine)["redundancy_left"]) == ("no_redundancy", 0)
    os.unlink(machine.path("block/md0/md/dev-sdb/block/dev"))
    assert (one(machine)["health"], [member["state"] for member in one(machine)["members"]]) == (
        "failed",
        ["active", "missing", "faulty"],
    )


@pytest.mark.parametrize(
    "health,members,more",
    [
        ("degraded", (("sda", "in_sync", 0),), {}),
        ("failed", (("sda", "faulty", "none"),), {}),
        ("inactive", (("sda", "spare", "none"),), {"md__array_state": "inactive"}),
        (
            "resyncing",
            (("sda", "in_sync", 0), ("sdb", "in_sync", 1)),
            {"md__sync_action": "resync", "md__sync_completed": "delayed"},
        ),
        (
            "checking",
            (("sda", "in_sync", 0), ("sdb", "in_sync", 1)),
            {"md__sync_action": "check", "md__sync_completed": "0 / 0"},
        ),
        ("no_redundancy", (("sda", "in_sync", 0), ("sdb", "in_sync", 1)), {"md__level": "raid0"}),
        ("failed", (("sda", "in_sync", 0),), {"md__level": "raid0"}),
    ],
)
def test_health_in_one_word(machine, sysfs, health, members, more):
    sysfs.array(members=members, **more)
    assert one(machine)["health"] == health


@pytest.mark.parametrize(
    "more,health,key,words",
    [
        ({"md__array_state": "readonly"}, "read_only", "read_only", "`mdadm --readwrite /dev/md0`"),
        (
            {"md__array_state": "readonly", "md__level": "raid0"},
            "read_only",
            "read_only",
            "`mdadm --readwrite /dev/md0`",
        ),
        (
            {"md__sync_action": "frozen"},
            "frozen",
            "frozen",
            "`echo idle > /sys/block/md0/md/sync_action`",
        ),
        (
            {"md__sync_action": "check", "md__sync_max": "1024"},
            "checking",
            "sync_held",
            "`echo max > /sys/block/md0/md/sync_max`",
        ),
        (
            {"md__dev_DASH_sda__bad_blocks": "100 8"},
            "optimal",
            "bad_blocks",
            "bad blocks on members (/dev/sda)",
        ),
    ],
)
def test_what_is_out_of_the_ordinary_is_told(machine, sysfs, more, health, key, words):
    sysfs.array(**more)
    record = one(machine)
    assert record["health"] == health
    assert record[key]
    assert words in record["summary"]


@pytest.mark.parametrize(
    "version,health",
    [
        ("external:ddf", "container"),
        ("external:imsm", "container"),
        ("external:/md127/0", "inactive"),
        ("external:-md127/0", "inactive"),
        ("1.2", "inactive"),
    ],
)
def test_a_container_of_firmware_raid_waits_for_nobody(machine, sysfs, version, health):
    sysfs.array(
        md__array_state="inactive",
        md__level="",
        md__metadata_version=version,
        members=(("sda", "spare", "none"),),
    )
    assert one(machine)["health"] == health


def test_a_mirror_of_eight_with_two_members(machine, sysfs):
    sysfs.array(md__raid_disks=8)
    assert (one(machine)["health"], one(machine)["redundancy_left"]) == ("degraded", 1)


@pytest.mark.parametrize(
    "level,members,health,left,says",
    [
        ("raid4", "abc", "optimal", 1, "one more failure is survived"),
        ("raid4", "ab", "degraded", 0, "no further failure is survived"),
        ("raid4", "a", "failed", 0, "cannot serve"),
        ("linear", "abc", "no_redundancy", 0, "the failure of any one of them loses data"),
        ("linear", "ab", "failed", 0, "cannot serve"),
        ("faulty", "abc", "no_redundancy", 0, "the failure of any one of them loses data"),
        (
            "multipath",
            "abc",
            "unknown",
            0,
            "how many failures an array of the level multipath survives is not known",
        ),
        ("multipath", "ab", "degraded", 0, "no further failure is survived"),
        (
            "raid7",
            "abc",
            "unknown",
            0,
            "how many failures an array of the level raid7 survives is not known",
        ),
        ("raid0", "abc", "no_redundancy", 0, "the failure of any one of them loses data"),
    ],
)
def test_levels_that_others_make(machine, sysfs, level, members, health, left, says):
    slots = [("sd" + letter, "in_sync", slot) for slot, letter in enumerate(members)]
    sysfs.array(members=slots, md__level=level, md__raid_disks=3)
    array = one(machine)
    assert (array["health"], array["redundancy_left"]) == (health, left)
    assert says in array["summary"]


def test_configured_and_missing_arrays(machine, sysfs):
    sysfs.array()
    machine.write(
        "etc/mdadm.conf",
        "ARRAY /dev/md0 UUID=%s\nARRAY /dev/md/gone UUID=99999999-0000-0000-0000-000000000000\n"
        % UUID,
    )
    here, gone = machine.call("list_arrays")["arrays"]
    assert here["configured"]
    assert (gone["health"], gone["device"], gone["uuid"]) == (
        "missing",
        "/dev/md/gone",
        "99999999:00000000:00000000:00000000",
    )
    for name in ("md0", "/dev/md0", UUID, UUID.replace(":", "-")):
        assert machine.call("list_arrays", array=name)["arrays"] == [here]
    assert machine.refusal("list_arrays", array="md1")[:2] == ["XSRAID_UNKNOWN_ARRAY", "md1"]


def test_the_sr_on_an_array(machine, sysfs):
    sysfs.array()
    xenapi = machine.session.xenapi
    host = xenapi.host.get_all()[0]
    sr = xenapi.SR.introduce(
        "0d6e8c6e-7f3e-4a6c-8f0e-111111111111", "Local RAID1", "", "lvm", "user", False, {}
    )
    pbd = xenapi.PBD.create(
        {
            "host": host,
            "SR": sr,
            "device_config": {"device": "/dev/disk/by-id/md-uuid-" + UUID},
            "other_config": {},
        }
    )
    try:
        assert one(machine)["sr"] == {
            "uuid": "0d6e8c6e-7f3e-4a6c-8f0e-111111111111",
            "name_label": "Local RAID1",
        }
    finally:
        xenapi.PBD.destroy(pbd)
        xenapi.SR.forget(sr)


def test_disks_as_they_are(machine, sysfs):
    sysfs.array()
    sysfs.attributes("loop0", dev="7:0", size=2048)
    disks = machine.call("list_disks")["disks"]
    assert [disk["device"] for disk in disks] == ["/dev/sda", "/dev/sdb", "/dev/sdc"]
    first = dict(disks[0], refusals=None)
    assert first == {
        "device": "/dev/sda",
        "by_id": "/dev/disk/by-id/ata-ST4000NM0035_Z1Z0",
        "serial": "Z1Z0",
        "wwn": "0x5000Z1Z0",
        "vendor": "SEAGATE",
        "model": "ST4000NM0035",
        "size_bytes": 131072 * 512,
        "logical_sector_bytes": 512,
        "physical_sector_bytes": 4096,
        "rotational": True,
        "transport": "ata",
        "usable": False,
        "refusals": None,
        "stale": [],
    }


def test_a_disk_that_cannot_be_looked_at_is_not_usable(machine, sysfs):
    machine.tool(
        "wipefs",
        "echo 'wipefs: error: /dev/sdc: probing initialization failed: Input/output error' >&2; "
        "exit 1",
    )
    disk = machine.call("list_disks")["disks"][2]
    assert not disk["usable"]
    assert [refusal["reason"] for refusal in disk["refusals"]] == ["UNREADABLE"]
    assert "Input/output error" in disk["refusals"][0]["detail"]


def test_no_tool_is_no_empty_answer(machine, sysfs):
    os.unlink(machine.path("tools/wipefs"))
    if not os.path.exists("/usr/bin/wipefs"):
        reasons = machine.call("list_disks")["disks"][0]["refusals"]
        assert "there is no wipefs" in reasons[0]["detail"]


def test_an_array_that_is_being_reshaped_is_safe_in_its_old_shape_and_in_its_new_one(
    machine, sysfs
):
    """RAID10 from 4 members to 5: each disk now has its mate beside it, and most of the data is
    there still in pairs.
    """
    slots = [("sd" + letter, "in_sync", slot) for slot, letter in enumerate("abcde")]
    reshaping = {
        "md__level": "raid10",
        "md__raid_disks": "5 (4)",
        "md__layout": "258",
        "md__sync_action": "reshape",
    }
    sysfs.array(members=slots, **reshaping)
    array = one(machine)
    assert (array["health"], array["redundancy_left"], len(array["members"])) == ("resyncing", 1, 5)


def test_a_reshape_that_was_cut_off_goes_on_with_the_first_write(machine, sysfs):
    sysfs.array(
        md__level="raid5",
        md__array_state="read-auto",
        md__sync_action="idle",
        md__reshape_position="3072",
        md__raid_disks="2 (1)",
    )
    assert one(machine)["sync"]["action"] == "reshape"


def test_an_array_that_has_lost_its_journal_writes_nothing(machine, sysfs):
    members = (("sda", "in_sync", 0), ("sdb", "in_sync", 1), ("sdc", "faulty,journal", "journal"))
    sysfs.array(members=members, md__consistency_policy="journal")
    assert one(machine)["health"] == "failed"


def test_a_missing_array_has_all_keys_too(machine, sysfs):
    sysfs.array()
    machine.write("etc/mdadm.conf", "ARRAY /dev/md7 UUID=11111111:22222222:33333333:44444444\n")
    healthy, missing = machine.call("list_arrays")["arrays"]
    assert set(healthy) == set(missing) == set(md_state.Array.FIELDS) - set(md_state.Array.RARE)
    assert missing["health"] == "missing"


MEMBER = [
    "E:ID_FS_TYPE=linux_raid_member",
    "E:ID_FS_UUID=" + UUID.replace(":", "-"),
    "E:ID_FS_LABEL=any:mine",
    "S:disk/by-id/wwn-0x5000A",
]


@pytest.mark.parametrize(
    "path,text",
    [
        ("mdadm.conf", "ARRAY /dev/md5 name=md0\n"),
        ("mdadm.conf", "ARRAY devices=/dev/sda,/dev/sdx\n"),
        ("mdadm.conf", "ARRAY <ignore> UUID=%s\n" % UUID),
        ("mdadm.conf", "ARRAY /dev/md0\n\n# disks of 2019\n   UUID=%s\n" % UUID),
        ("mdadm.conf", "ARRAY /dev/md0 UUID=%s\r\n" % UUID),
        ("mdadm.conf", "ARRAY devices=/dev/disk/by-id/wwn-*\n"),
        ("mdadm.conf.d/x.conf", "ARRAY /dev/md0 UUID=%s" % UUID),
        ("mdadm/mdadm.conf", "ARRAY name=any:md0\n"),
        ("mdadm/mdadm.conf.d/x.conf", "ARRAY name=any:md0\n"),
    ],
)
def test_an_array_that_any_line_of_any_file_knows_is_configured(machine, sysfs, path, text):
    sysfs.array()
    sysfs.udev("8:0", *MEMBER)
    assert not one(machine)["configured"]
    folder = os.path.dirname(machine.path("etc/" + path))
    if not os.path.isdir(folder):
        os.makedirs(folder)
    machine.write("etc/" + path, text)
    try:
        assert one(machine)["configured"]
    finally:
        os.unlink(machine.path("etc/" + path))


def test_an_array_with_old_superblocks_is_configured_by_its_number(machine, sysfs):
    sysfs.array(name="md7", md__metadata_version="0.90")
    machine.write("etc/mdadm.conf", "ARRAY /dev/md0 super-minor=7\n")
    assert one(machine)["configured"]
    machine.write("etc/mdadm.conf", "ARRAY /dev/md7 super-minor=0\n")
    assert [record["configured"] for record in machine.call("list_arrays")["arrays"]] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "words,device",
    [
        ("/dev/md5 name=any:mine", "/dev/md5"),
        ("/dev/md/x devices=/dev/sd[ab]", "/dev/md/x"),
        ("name=any:mine", "/dev/disk/by-id/md-uuid-" + UUID),
    ],
)
def test_a_stopped_array_that_is_known_without_its_uuid_is_missing(machine, sysfs, words, device):
    for name, number in (("sda", "8:0"), ("sdb", "8:16")):
        sysfs.attributes(name, dev=number, size=131072)
        sysfs.udev(number, *MEMBER)
    machine.write("etc/mdadm.conf", "ARRAY %s\n" % words)
    record = one(machine)
    assert (record["device"], record["uuid"], record["health"], record["configured"]) == (
        device,
        UUID,
        "missing",
        True,
    )
    assert record["by_id"] == "/dev/disk/by-id/md-uuid-" + UUID
    assert machine.call("list_arrays", array=UUID)["arrays"] == [record]
    machine.write("etc/mdadm.conf", "ARRAY %s\nARRAY /dev/md0 UUID=%s\n" % (words, UUID))
    assert one(machine)["device"] == "/dev/md0"
    machine.write("etc/mdadm.conf", "ARRAY <ignore> name=any:mine\n")
    assert machine.call("list_arrays")["arrays"] == []


def test_a_line_that_finds_nothing_is_shown_with_its_node(machine, sysfs):
    sysfs.array()
    others = (
        "ARRAY /dev/md9 name=gone\nARRAY name=any:lost\nARRAY devices=/dev/sdz\nARRAY /dev/md8\n"
    )
    machine.write("etc/mdadm.conf", "ARRAY /dev/md0 UUID=%s\n%s" % (UUID, others))
    records = machine.call("list_arrays")["arrays"]
    assert [
        (record["device"], record["name"], record["uuid"], record["by_id"], record["health"])
        for record in records[1:]
    ] == [
        ("/dev/md9", "md9", None, None, "missing"),
        ("/dev/md/lost", "lost", None, None, "missing"),
    ]
    assert records[0]["device"] == "/dev/md0"
    assert set(records[1]) == set(md_state.Array.FIELDS) - set(md_state.Array.RARE)


def remembered(machine, kind, facts):
    machine.write("lib/xsraid/" + kind, json.dumps(facts))


def test_a_member_that_is_gone_is_named_by_what_was_seen_of_it(machine, sysfs):
    sysfs.array(members=(("sda", "in_sync", 0), ("sdz", "faulty", None)), md__raid_disks=3)
    uuid = one(machine)["uuid"]
    slots = {
        "1": {"device": "/dev/sdb", "serial": "SB", "by_id": "/dev/disk/by-id/b"},
        "2": {"device": "/dev/sdz", "serial": "SZ", "by_id": None},
    }
    remembered(machine, "ran_from", {uuid: {"slots": slots}})
    members = one(machine)["members"]
    gone = {
        (member["slot"], member["state"]): (member["serial"], member.get("by_id"))
        for member in members
        if member["state"] != "active"
    }
    assert gone == {
        (1, "missing"): ("SB", "/dev/disk/by-id/b"),
        (2, "missing"): ("SZ", None),
        (None, "faulty"): ("SZ", None),
    }
    assert "that of slot 1 (serial number SB)" in one(machine)["summary"]


def test_a_missing_array_shows_which_disks_it_had(machine, sysfs):
    sysfs.array()
    uuid = "11111111:22222222:33333333:44444444"
    machine.write("etc/mdadm.conf", "ARRAY /dev/md7 UUID=%s\n" % uuid)
    slots = {
        "1": {"device": "/dev/sdb", "serial": "SB", "by_id": "/dev/disk/by-id/b"},
        "0": {"device": "/dev/sda", "serial": "SA", "by_id": None},
    }
    remembered(machine, "ran_from", {uuid: {"slots": slots}})
    missing = machine.call("list_arrays", array="/dev/md7")["arrays"][0]
    assert missing["health"] == "missing"
    shown = [(member["slot"], member["serial"], member["state"]) for member in missing["members"]]
    assert shown == [(0, "SA", "missing"), (1, "SB", "missing")]


@pytest.mark.parametrize(
    "last_action,shown",
    [("none", 128), ("resync", 128), ("recover", 128), ("check", 8), ("repair", 8), (None, 8)],
)
def test_what_a_check_found_outlives_a_boot(machine, sysfs, last_action, shown):
    more = {} if last_action is None else {"md__last_sync_action": last_action}
    sysfs.array(md__mismatch_cnt="8", **more)
    uuid = one(machine)["uuid"]
    remembered(machine, "care", {"arrays": {uuid: {"done": None}}})
    assert one(machine)["mismatch_count"] == 8
    remembered(machine, "care", {"arrays": {uuid: {"done": 1790000000, "found": 128}}})
    assert one(machine)["mismatch_count"] == shown
    assert one(machine)["last_check"] == "2026-09-21T14:13:20Z"


@pytest.mark.parametrize(
    "more,shown",
    [
        ({}, "2026-09-21T14:13:20Z"),
        ({"md__last_sync_action": "recover"}, None),
        ({"md__sync_min": "2048"}, None),  # it was cut short
        ({"md__sync_action": "check"}, None),
        ({"md__last_sync_action": "none"}, None),  # a boot came in between
    ],
)
def test_a_check_that_was_asked_for_and_has_just_ended(machine, sysfs, more, shown):
    """When it ended is noted in the background."""
    sysfs.array(**dict({"md__last_sync_action": "check", "md__sync_min": "0"}, **more))
    uuid = one(machine)["uuid"]
    asked = {"is_asked": True, "begun": 1790000000, "done": None}
    remembered(machine, "care", {"arrays": {uuid: asked}})
    assert one(machine)["last_check"] == shown
