"""RAID5 and RAID6 that keep their parity right through a power cut: with a partial parity log, or
with a journal on a disk of its own.
"""

import pytest

from tests.dom0.endurance import ALONE, Volume, wait_until_attached
from tests.dom0.steps import DISK_BYTES, devices, limit_sync, one_of, refusal, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
SLOW, FAST = "100", "200000"  # KiB/s


def array(dom0):
    return dom0.call("list_arrays", array="md0")["arrays"][0]


def cut_while_writing(dom0):
    """Make an SR on md0, cut the power while somebody writes; return the volume, with md0 whole
    again.
    """
    volume = Volume(dom0, dom0.call("create_sr", array="md0")["sr_uuid"])
    dom0.run(f"{volume.writing()} {ALONE} sleep 1")
    dom0.cut_power()
    dom0.boot()
    wait_until_attached(dom0)
    assert volume.wrong_blocks(then_write=4) == []
    assert settled(dom0)["health"] == "optimal"
    return volume


def test_partial_parity_log(fresh_dom0):
    reply = fresh_dom0.call(
        "create_array",
        level="5",
        devices=devices(fresh_dom0, "d0", "d1", "d2"),
        consistency_policy="ppl",
    )
    assert "--consistency-policy=ppl" in reply["commands"][0]
    assert "bitmap" not in reply["commands"][0]
    assert settled(fresh_dom0)["consistency_policy"] == "ppl"
    volume = cut_while_writing(fresh_dom0)
    details = refusal(fresh_dom0, "grow_array", array="md0", devices=devices(fresh_dom0, "d3"))
    assert details[0] == "XSRAID_UNSUPPORTED"
    assert "ppl" in details[1]
    disk = fresh_dom0.disk("d1")
    fresh_dom0.call(
        "replace_disk", array="md0", disk=disk.serial, new_disk=fresh_dom0.disk("d4").serial
    )
    assert settled(fresh_dom0)["health"] == "optimal"
    assert volume.wrong_blocks() == []


def test_journal(fresh_dom0):
    """It is a member that cannot be failed; when it has gone, the array writes nothing until it has
    another.
    """
    members, (d3, d4, d5) = (
        devices(fresh_dom0, "d0", "d1", "d2"),
        (fresh_dom0.disk(name) for name in ("d3", "d4", "d5")),
    )
    fresh_dom0.call("create_array", level="5", devices=members, journal=d3.serial)
    record = settled(fresh_dom0)
    assert (record["consistency_policy"], record["health"], record["redundancy_left"]) == (
        "journal",
        "optimal",
        1,
    )
    assert [
        (member["device"], member["slot"])
        for member in record["members"]
        if member["state"] == "journal"
    ] == [(d3.device, None)]
    volume = cut_while_writing(fresh_dom0)
    d3, d4, d5 = (fresh_dom0.disk(name) for name in ("d3", "d4", "d5"))
    assert (
        refusal(fresh_dom0, "fail_disk", array="md0", disk=d3.serial, confirm=d3.serial)[0]
        == "XSRAID_WOULD_LOSE_DATA"
    )
    assert (
        refusal(fresh_dom0, "replace_disk", array="md0", disk=d3.serial, new_disk=d4.serial)[0]
        == "XSRAID_ARRAY_IN_USE"
    )
    pbd = fresh_dom0.xe("pbd-list --minimal").strip()
    fresh_dom0.run("vgchange -an")
    fresh_dom0.xe(f"pbd-unplug uuid={pbd}")
    fresh_dom0.call("replace_disk", array="md0", disk=d3.serial, new_disk=d4.serial)
    assert array(fresh_dom0)["health"] == "optimal"
    limit_sync(fresh_dom0, SLOW)
    fresh_dom0.call("check_array", array="md0", action="start")
    assert refusal(fresh_dom0, "replace_disk", array="md0", disk=d4.serial, new_disk=d5.serial)[
        ::2
    ][:2] == ["XSRAID_ARRAY_IN_USE", "its own check"]
    fresh_dom0.call("check_array", array="md0", action="stop")
    limit_sync(fresh_dom0, FAST)
    fresh_dom0.run(f"mdadm --manage /dev/md0 --set-faulty {d4.device}")
    assert array(fresh_dom0)["health"] == "failed"
    fresh_dom0.call("remove_disk", array="md0", disk=d4.serial)
    fresh_dom0.call("add_disk", array="md0", disk=d5.serial)
    fresh_dom0.xe(f"pbd-plug uuid={pbd}")
    assert array(fresh_dom0)["health"] == "optimal"
    assert volume.wrong_blocks(then_write=4) == []
    assert volume.wrong_blocks() == []


@pytest.mark.parametrize("level", one_of("5", "6"))
def test_after_an_unclean_stop_no_member_is_given_up_before_the_resync_ends(fresh_dom0, level):
    """Where a stripe was being written its parity may be wrong, and what nobody wrote would read as
    garbage without a member.

    mdadm's --update=resync leaves the array as such a stop does, only that all of it has to be
    synchronised.
    """
    members = devices(fresh_dom0, "d0", "d1", "d2", "d3")
    fresh_dom0.call("create_array", level=level, devices=members, bitmap="none")
    before = settled(fresh_dom0)["redundancy_left"]
    volume = Volume(fresh_dom0, fresh_dom0.call("create_sr", array="md0")["sr_uuid"])
    limit_sync(fresh_dom0, SLOW)
    fresh_dom0.run(
        "vgchange -an && mdadm --stop /dev/md0 && "
        f"mdadm --assemble --update=resync /dev/md0 {' '.join(members)} && udevadm settle"
    )
    record = array(fresh_dom0)
    assert (record["redundancy_left"], record["sync_pending"]) == (0, True)
    assert volume.wrong_blocks(then_write=4) == []
    record, disk = array(fresh_dom0), fresh_dom0.disk("d1")
    assert (record["health"], record["redundancy_left"]) == ("resyncing", 0)
    assert "no further failure is survived" in record["summary"]
    for function, more in (("fail_disk", {"confirm": disk.serial}), ("remove_disk", {})):
        code, _, why, *_ = refusal(fresh_dom0, function, array="md0", disk=disk.serial, **more)
        assert code == "XSRAID_WOULD_LOSE_DATA"
        assert "resync" in why
    code, _, by, *_ = refusal(
        fresh_dom0,
        "replace_disk",
        array="md0",
        disk=disk.serial,
        new_disk=fresh_dom0.disk("d4").serial,
    )
    assert (code, by) == ("XSRAID_ARRAY_IN_USE", "its own resync")
    assert len(array(fresh_dom0)["members"]) == 4
    limit_sync(fresh_dom0, FAST)
    record = settled(fresh_dom0)
    assert (record["health"], record["redundancy_left"]) == ("optimal", before)
    fresh_dom0.call("fail_disk", array="md0", disk=disk.serial, confirm=disk.serial)
    assert volume.wrong_blocks() == []


def test_what_does_not_go_together(fresh_dom0):
    members, other = devices(fresh_dom0, "d0", "d1", "d2", "d3"), fresh_dom0.disk("d4").device
    for arguments, code, words in (
        ({"level": "6", "consistency_policy": "ppl"}, "XSRAID_BAD_ARGUMENT", "only raid5"),
        ({"level": "10", "journal": other}, "XSRAID_BAD_ARGUMENT", "no parity"),
        (
            {"level": "5", "journal": other, "consistency_policy": "ppl"},
            "XSRAID_BAD_ARGUMENT",
            "one of",
        ),
        ({"level": "5", "journal": other, "bitmap": "internal"}, "XSRAID_BAD_ARGUMENT", "one of"),
        (
            {"level": "5", "consistency_policy": "bitmap", "bitmap": "none"},
            "XSRAID_BAD_ARGUMENT",
            "bitmap=none",
        ),
        ({"level": "5", "journal": members[0]}, "XSRAID_BAD_ARGUMENT", "among the other disks"),
    ):
        details = refusal(fresh_dom0, "create_array", devices=members, **arguments)
        assert details[0] == code, details
        assert words in details[-1], details
    fresh_dom0.run(
        "mkdir -p /run/old && printf '#!/bin/sh\\necho mdadm - v3.3.2 >&2\\n' >/run/old/mdadm && "
        "chmod +x /run/old/mdadm && "
        "mount --bind /run/old/mdadm $(readlink -f $(which mdadm))"
    )
    try:
        details = refusal(
            fresh_dom0, "create_array", level="5", devices=members, consistency_policy="ppl"
        )
    finally:
        fresh_dom0.run("umount $(readlink -f $(which mdadm))")
    assert details[0] == "XSRAID_UNSUPPORTED"
    assert "mdadm 4.1 (here is 3.3)" in details[2]
