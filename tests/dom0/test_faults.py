"""Faults that md finds by itself, beneath the members of arrays that somebody writes to: bad
sectors, failing writes, one disk after another.
"""

import pytest

from tests.dom0.endurance import ALONE, Volume
from tests.dom0.steps import DISK_BYTES, configure, devices, one_of, refusal, settled
from tests.dom0.watching import delivered, subjects, wait_until_watching

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5", "d6"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
MEMBERS = {"1": 2, "5": 3, "6": 4, "10": 4}
SECTORS = DISK_BYTES // 512
BAD_SECTORS = range(40960, 40976)  # of a disk, well within its data


def put_under(dom0, name, target):
    """Let a device-mapper device be something else from now on; target: what dmsetup-create(8)
    calls a table, without its sectors.
    """
    dom0.run(
        f"dmsetup suspend --noflush {name} && echo '0 {SECTORS} {target}' | dmsetup load {name} && "
        f"dmsetup resume {name}"
    )


def make(dom0, level, spare):
    """Make md0 by hand on device-mapper devices m0, m1 and so on, with a spare; return the members'
    nodes, and a volume that is written to.
    """
    dom0.run("modprobe -a dm-dust dm-flakey")
    disks = devices(dom0, *[f"d{at}" for at in range(MEMBERS[level])])
    for at, disk in enumerate(disks):
        dom0.run(
            f"dmsetup create m{at} --table '0 {SECTORS} {'linear' if level == '10' else 'dust'} "
            f"{disk} 0 {'' if level == '10' else 512}'"
        )
    mapped = dom0.run(["realpath", *[f"/dev/mapper/m{at}" for at in range(len(disks))]]).out.split()
    dom0.run(
        f"mdadm -q --create /dev/md0 --run --level={level} --raid-devices={len(mapped)} "
        f"--bitmap=internal --homehost=any {' '.join(mapped)}"
    )
    dom0.call("adopt_array", array="/dev/md0")
    settled(dom0, "/dev/md0")
    dom0.call("add_disk", array="/dev/md0", disk=spare)
    wait_until_watching(dom0)
    volume = Volume(dom0, dom0.call("create_sr", array="/dev/md0")["sr_uuid"])
    dom0.run(f"{volume.writing()} {ALONE} echo $! >/run/writer")
    return mapped, volume


def array(dom0):
    return dom0.call("list_arrays", array="/dev/md0")["arrays"][0]


def active(dom0):
    return {member["device"] for member in array(dom0)["members"] if member["state"] == "active"}


def failures(dom0):
    """Return the beginnings of the subjects that tell of failed disks."""
    return [subject.split(",")[0] for subject in subjects(dom0) if "FAILED" in subject]


def mend_bad_sectors(dom0):
    """Let a check meet sectors that m0 cannot read: md writes them anew, from the others."""
    dom0.run(
        "".join(f"dmsetup message m0 0 addbadblock {sector};" for sector in BAD_SECTORS)
        + "dmsetup message m0 0 enable"
    )
    dom0.call("check_array", array="/dev/md0", action="start")
    record = settled(dom0, "/dev/md0")
    assert record["health"] == "optimal"
    assert record["members"][0]["state"] == "active"
    assert "countbadblocks: 0 badblock" in dom0.run("dmsetup message m0 0 countbadblocks").out


@pytest.mark.parametrize("level", one_of("5", "1", "6", "10"))
def test_md_finds_the_fault(fresh_dom0, level):
    """Bad sectors are mended and the member stays; a failing write costs it its place, a spare
    takes it; so for a second one. No byte is wrong.
    """
    configure(fresh_dom0)
    spare, new = devices(fresh_dom0, "d5", "d6")
    mapped, volume = make(fresh_dom0, level, spare)
    if level != "10":  # where this kernel, 6.1 in User-Mode Linux, stops in raid10d's bio_copy_data
        mend_bad_sectors(fresh_dom0)
    put_under(fresh_dom0, "m1", f"flakey {fresh_dom0.disk('d1').device} 0 0 1 1 error_writes")
    fresh_dom0.wait_until(
        lambda: active(fresh_dom0) >= {spare} and mapped[1] not in active(fresh_dom0)
    )
    fresh_dom0.wait_until(lambda: failures(fresh_dom0), interval_s=0.5)
    put_under(fresh_dom0, "m0", "error")
    fresh_dom0.wait_until(lambda: array(fresh_dom0)["health"] == "degraded")
    fresh_dom0.wait_until(lambda: len(failures(fresh_dom0)) > 1, interval_s=0.5)
    assert failures(fresh_dom0) == [
        f"[xsraid] XSRAID_DISK_FAILED: disk {member} failed" for member in mapped[1::-1]
    ]
    fresh_dom0.call("replace_disk", array="/dev/md0", disk=mapped[0], new_disk=new)
    assert settled(fresh_dom0, "/dev/md0")["health"] == "optimal"
    assert active(fresh_dom0) >= {spare, new}
    fresh_dom0.call("remove_disk", array="/dev/md0", disk=mapped[1])
    fresh_dom0.run("kill $(cat /run/writer)")
    assert volume.wrong_blocks() == []


def test_what_an_array_without_redundancy_can_do(fresh_dom0):
    """It is told of when a disk is gone; it has nothing to drill, to repair, to check or to grow
    with; it can be deleted.
    """
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=0, devices=devices(fresh_dom0, "d0", "d1"))
    record = array(fresh_dom0)
    assert (record["health"], record["redundancy_left"]) == ("no_redundancy", 0)
    d0, d2 = fresh_dom0.disk("d0"), fresh_dom0.disk("d2").device
    for function, arguments in (
        ("fail_disk", {"disk": d0.device, "confirm": d0.serial}),
        ("remove_disk", {"disk": d0.device}),
        ("add_disk", {"disk": d2}),
        ("replace_disk", {"disk": d0.device, "new_disk": d2}),
        ("check_array", {"action": "start"}),
        ("grow_array", {"devices": d2}),
    ):
        assert refusal(fresh_dom0, function, array="md0", **arguments)[:2] == [
            "XSRAID_BAD_ARGUMENT",
            "array",
        ]
    assert array(fresh_dom0) == record
    fresh_dom0.pull_disk("d0")
    delivered(fresh_dom0, "XSRAID_ARRAY_MISSING")  # udev stops what nobody uses
    fresh_dom0.call("delete_array", array="md0", confirm="md0")
    fresh_dom0.push_disks()
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d1", "d2"))
    configured = [
        record["level"]
        for record in fresh_dom0.call("list_arrays")["arrays"]
        if record["configured"]
    ]
    assert configured == ["raid1"]  # on d0, which was not there, is a superblock still: stale data
