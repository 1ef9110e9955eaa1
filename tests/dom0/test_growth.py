"""Growing arrays, with an SR on them and somebody who writes, through a power cut in the middle of
the reshape; and the write hole closed.
"""

import re

import pytest

from tests.dom0.endurance import ALONE, Volume, wait_until_attached
from tests.dom0.steps import DISK_BYTES, configure, devices, limit_sync, one_of, refusal, settled
from tests.dom0.watching import history, subjects, wait_until_watching

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5", "d6"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "3.6"
MEMBERS = {"1": 2, "5": 3, "6": 4, "10": 4}
SLOW, FAST = "1000", "200000"  # KiB/s


def make(dom0, level, **more):
    """Return the record of a whole array md0 of that level, on the first disks."""
    dom0.call(
        "create_array",
        level=level,
        devices=devices(dom0, *[f"d{at}" for at in range(MEMBERS[level])]),
        **more,
    )
    return settled(dom0)


def array(dom0):
    return dom0.call("list_arrays", array="md0")["arrays"][0]


def physical_size(dom0, sr_uuid):
    return int(dom0.xe(f"sr-param-get uuid={sr_uuid} param-name=physical-size"))


def is_redundancy_right(dom0):
    dom0.run("echo check >/sys/block/md0/md/sync_action")
    settled(dom0)
    return dom0.run("cat /sys/block/md0/md/mismatch_cnt").out == "0\n"


@pytest.mark.parametrize("level", one_of("10", "5", "6"))
def test_grown_through_a_power_cut(fresh_dom0, level):
    """The array is there at once, the reshape goes on by itself, the SR takes the room, not one
    byte is wrong.
    """
    before = make(fresh_dom0, level)
    new = [f"d{MEMBERS[level]}", f"d{MEMBERS[level] + 1}"]
    sr = fresh_dom0.call("create_sr", array="md0")["sr_uuid"]
    volume, sr_size_bytes = Volume(fresh_dom0, sr), physical_size(fresh_dom0, sr)
    limit_sync(fresh_dom0, SLOW)
    fresh_dom0.run(f"{volume.writing()} {ALONE} echo $! >/run/writer")
    reply = fresh_dom0.call("grow_array", array="md0", devices=devices(fresh_dom0, *new))
    assert (reply["array"]["health"], reply["array"]["sync"]["action"], reply["sr_sees_size"]) == (
        "resyncing",
        "reshape",
        False,
    )
    assert reply["array"]["redundancy_left"] == before["redundancy_left"]
    assert len(reply["array"]["members"]) == MEMBERS[level] + 2
    fresh_dom0.wait_until(lambda: array(fresh_dom0)["sync"]["done_ratio"] > 0.03, interval_s=0.05)
    fresh_dom0.cut_power()
    fresh_dom0.boot(disks=fresh_dom0.disk_names[::-1])
    wait_until_attached(fresh_dom0)
    assert volume.wrong_blocks() == []
    limit_sync(fresh_dom0, FAST)
    record = settled(fresh_dom0)
    gained = record["size_bytes"] / before["size_bytes"]
    assert record["health"] == "optimal"
    assert record["redundancy_left"] == before["redundancy_left"]
    assert gained == pytest.approx({"5": 2, "6": 2, "10": 1.5}[level], rel=0.05)
    assert volume.wrong_blocks() == []
    assert is_redundancy_right(fresh_dom0)
    fresh_dom0.wait_until(lambda: physical_size(fresh_dom0, sr) > sr_size_bytes * 1.3)
    assert fresh_dom0.call("grow_array", array="md0")["sr_sees_size"] is not False


def test_a_mirror_gains_a_copy_and_alarms_nobody(fresh_dom0):
    configure(fresh_dom0)
    make(fresh_dom0, "1", spares=devices(fresh_dom0, "d2"))
    wait_until_watching(fresh_dom0)
    # As some write it, and then mdadm does not assemble three.
    fresh_dom0.run("sed -i 's/^ARRAY.*/& num-devices=2/' /etc/mdadm.conf")
    limit_sync(fresh_dom0, "20000")
    reply = fresh_dom0.call("grow_array", array="md0", devices=devices(fresh_dom0, "d2"))
    assert len(reply["array"]["members"]) == 3
    assert reply["sr_sees_size"] is None
    limit_sync(fresh_dom0, FAST)
    record = settled(fresh_dom0)
    assert (record["health"], record["redundancy_left"]) == ("optimal", 2)
    assert not re.search("num-devices|spares", fresh_dom0.run("cat /etc/mdadm.conf").out)
    # At its start the monitor tells of a spare that is missing.
    fresh_dom0.run("systemctl restart mdmonitor.service; sleep 3")
    assert history(fresh_dom0) == {}
    assert subjects(fresh_dom0) == []


def test_what_cannot_grow_stays_as_it_is(fresh_dom0):
    make(fresh_dom0, "5")
    d3, d4 = devices(fresh_dom0, "d3", "d4")
    small = fresh_dom0.add_disk("small", DISK_BYTES // 2).device
    fresh_dom0.run(f"mkfs.ext4 -q {d4}")
    before = array(fresh_dom0)
    for wanted, code, words in (
        ([small], "XSRAID_DISK_IN_USE", "too few"),
        ([d3, d4], "XSRAID_STALE_DATA", "ext4"),
        ([d3, d3], "XSRAID_BAD_ARGUMENT", "same disk"),
        (devices(fresh_dom0, "d0"), "XSRAID_BAD_ARGUMENT", "member of /dev/md0 already"),
    ):
        details = refusal(fresh_dom0, "grow_array", array="md0", devices=wanted)
        assert details[0] == code, details
        assert words in details[-1], details
    assert array(fresh_dom0) == before
    limit_sync(fresh_dom0, SLOW)
    fresh_dom0.call("check_array", array="md0", action="start")
    assert refusal(fresh_dom0, "grow_array", array="md0", devices=[d3])[:3] == [
        "XSRAID_ARRAY_IN_USE",
        "/dev/md0",
        "its own check",
    ]
    fresh_dom0.call("check_array", array="md0", action="stop")
    limit_sync(fresh_dom0, FAST)
    fresh_dom0.call(
        "fail_disk",
        array="md0",
        disk=fresh_dom0.disk("d0").device,
        confirm=fresh_dom0.disk("d0").serial,
    )
    assert "repair it first" in refusal(fresh_dom0, "grow_array", array="md0", devices=[d3])[-1]


def test_no_room_before_the_data(fresh_dom0):
    """As on arrays that an old mdadm has made: what a power cut would break is not begun."""
    d0, d1, d2, d3 = devices(fresh_dom0, "d0", "d1", "d2", "d3")
    fresh_dom0.run(
        "mdadm -q --create /dev/md0 --run --level=5 --raid-devices=3 --data-offset=1M "
        f"--bitmap=internal --homehost=any {d0} {d1} {d2}"
    )
    settled(fresh_dom0, "/dev/md0")
    details = refusal(fresh_dom0, "grow_array", array="/dev/md0", devices=[d3])
    assert details[0] == "XSRAID_UNSUPPORTED"
    assert "3072 free sectors" in details[-1]
    assert fresh_dom0.call("list_disks")["disks"][3]["refusals"] == []
    assert len(settled(fresh_dom0, "/dev/md0")["members"]) == 3


def test_an_ext_repository_takes_the_room_with_the_commands_of_the_reply(fresh_dom0):
    make(fresh_dom0, "5")
    sr = fresh_dom0.call("create_sr", array="md0", type="ext")["sr_uuid"]
    sr_size_bytes = physical_size(fresh_dom0, sr)
    fresh_dom0.call("grow_array", array="md0", devices=devices(fresh_dom0, "d3"))
    settled(fresh_dom0)
    reply = fresh_dom0.call("grow_array", array="md0")
    assert reply["sr_sees_size"] is False
    for command in re.findall("`(.*?)`", reply["next"]):
        fresh_dom0.run(command)
    assert physical_size(fresh_dom0, sr) > sr_size_bytes * 1.3
    assert fresh_dom0.call("grow_array", array="md0")["sr_sees_size"] is not False
