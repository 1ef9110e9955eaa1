"""The life of an array after its birth: the drill, the repair, the check, the end; on every level,
while somebody writes.
"""

import re

import pytest

from tests.dom0.endurance import ALONE, Volume, wait_until_brought_up
from tests.dom0.steps import DISK_BYTES, configure, devices, limit_sync, one_of, refusal, settled
from tests.dom0.watching import history, subjects, wait_until_watching

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
MEMBERS = {
    "1": ("d0", "d1"),
    "5": ("d0", "d1", "d2"),
    "6": ("d0", "d1", "d2", "d3"),
    "10": ("d0", "d1", "d2", "d3"),
}


def make(dom0, level, **more):
    """Return the record of a whole array md0 of that level."""
    dom0.call("create_array", level=level, devices=devices(dom0, *MEMBERS[level]), **more)
    return settled(dom0)


def states(record):
    return [member["state"] for member in record["members"]]


def array(dom0):
    return dom0.call("list_arrays", array="md0")["arrays"][0]


@pytest.mark.parametrize("level", one_of("1", "5", "6", "10"))
def test_drill_and_repair_while_somebody_writes(fresh_dom0, level):
    """Fail, remove, add again; replace while the old disk serves; replace a dead one. Not one byte
    is wrong at the end.
    """
    make(fresh_dom0, level)
    disks = fresh_dom0.disks()
    volume = Volume(fresh_dom0, fresh_dom0.call("create_sr", array="md0")["sr_uuid"])
    fresh_dom0.run(f"{volume.writing()} {ALONE} echo $! >/run/writer")
    one, other, new = disks["d1"], disks["d0"], disks["d5"]
    failed = fresh_dom0.call("fail_disk", array="md0", disk=one.serial, confirm=one.serial)
    assert failed["array"]["health"] == "degraded"
    assert "faulty" in states(failed["array"])
    assert "remove_disk" in failed["next"]
    if level in ("1", "5"):  # nothing is left that could be failed
        assert (
            refusal(fresh_dom0, "fail_disk", array="md0", disk=other.device, confirm=other.serial)[
                0
            ]
            == "XSRAID_WOULD_LOSE_DATA"
        )
        assert (
            refusal(fresh_dom0, "remove_disk", array="md0", disk=other.device)[0]
            == "XSRAID_WOULD_LOSE_DATA"
        )
    removed = fresh_dom0.call("remove_disk", array="md0", disk=one.by_id)
    assert "faulty" not in states(removed["array"])
    assert "add_disk" in removed["next"]
    fresh_dom0.call("add_disk", array="md0", disk=one.device)
    assert settled(fresh_dom0)["health"] == "optimal"
    replaced = fresh_dom0.call("replace_disk", array="md0", disk=one.device, new_disk=new.device)
    assert replaced["array"]["redundancy_left"] == {"1": 1, "5": 1, "6": 2, "10": 1}[level]
    assert f"disk={one.serial}" in replaced["next"]
    record = settled(fresh_dom0)
    assert record["health"] == "optimal"
    assert new.device in [
        member["device"] for member in record["members"] if member["state"] == "active"
    ]
    fresh_dom0.call("remove_disk", array="md0", disk=one.serial, wipe_old=True)
    assert fresh_dom0.run(f"wipefs -n {one.device}").out == ""
    assert len(array(fresh_dom0)["members"]) == len(MEMBERS[level])
    fresh_dom0.run(f"mdadm --manage /dev/md0 --set-faulty {new.device}")
    dead = fresh_dom0.call("replace_disk", array="md0", disk=new.device, new_disk=one.device)
    assert new.device not in [member["device"] for member in dead["array"]["members"]]
    assert settled(fresh_dom0)["health"] == "optimal"
    fresh_dom0.run("kill $(cat /run/writer)")
    assert volume.wrong_blocks() == []


def test_bad_input_leaves_the_array_as_it_is(fresh_dom0):
    make(fresh_dom0, "1")
    d0, d1, d2 = (fresh_dom0.disk(name) for name in ("d0", "d1", "d2"))
    small = fresh_dom0.add_disk("small", DISK_BYTES // 2)
    mounted = fresh_dom0.disk("d3").device
    fresh_dom0.run(
        f"mkfs.ext4 -q {d2.device}; mkfs.ext4 -q {mounted}; mkdir -p /srv/x; mount {mounted} /srv/x"
    )
    before = array(fresh_dom0)
    for function, arguments, code, words in (
        ("fail_disk", {"disk": d1.device, "confirm": d0.serial}, "XSRAID_BAD_ARGUMENT", d1.serial),
        (
            "fail_disk",
            {"disk": d2.device, "confirm": d2.serial},
            "XSRAID_UNKNOWN_DISK",
            "no member",
        ),
        ("remove_disk", {"disk": d1.device}, "XSRAID_BAD_ARGUMENT", "replace_disk"),
        ("add_disk", {"disk": d1.device}, "XSRAID_DISK_IN_USE", "member of /dev/md0 already"),
        ("add_disk", {"disk": d2.device}, "XSRAID_STALE_DATA", "ext4"),
        ("add_disk", {"disk": mounted, "wipe": True}, "XSRAID_DISK_IN_USE", "/srv/x"),
        ("add_disk", {"disk": small.device}, "XSRAID_DISK_IN_USE", "too few"),
        (
            "replace_disk",
            {"disk": d1.device, "new_disk": small.device},
            "XSRAID_DISK_IN_USE",
            "too few",
        ),
        (
            "replace_disk",
            {"disk": d1.device, "new_disk": d0.device},
            "XSRAID_DISK_IN_USE",
            "member",
        ),
        (
            "replace_disk",
            {"disk": "/dev/sdzz", "new_disk": d2.device},
            "XSRAID_UNKNOWN_DISK",
            "add_disk",
        ),
        ("check_array", {"action": "pause"}, "XSRAID_BAD_ARGUMENT", "start"),
        ("delete_array", {"confirm": "md1"}, "XSRAID_BAD_ARGUMENT", "confirm=md0"),
    ):
        details = refusal(fresh_dom0, function, array="md0", **arguments)
        assert details[0] == code, (function, arguments, details)
        assert words in details[-1], (function, arguments, details)
    assert array(fresh_dom0) == before
    assert (
        fresh_dom0.call("add_disk", array="md0", disk=d2.device, wipe=True)["array"]["members"][-1][
            "state"
        ]
        == "spare"
    )
    fresh_dom0.call("fail_disk", array="md0", disk=d1.device, confirm=d1.serial)
    record = settled(fresh_dom0)  # the hot spare has taken over
    assert (
        record["health"],
        d2.device
        in [member["device"] for member in record["members"] if member["state"] == "active"],
    ) == ("optimal", True)


def test_the_spares_that_are_asked_for_follow_what_is_added_and_removed(fresh_dom0):
    make(fresh_dom0, "1")
    asked_for = lambda: "".join(re.findall(r"spares=\d", fresh_dom0.run("cat /etc/mdadm.conf").out))  # noqa: E731
    d2, d3 = devices(fresh_dom0, "d2", "d3")
    fresh_dom0.call("add_disk", array="md0", disk=d2)
    assert asked_for() == "spares=1"
    fresh_dom0.call("add_disk", array="md0", disk=d3)
    assert asked_for() == "spares=2"
    fresh_dom0.call("remove_disk", array="md0", disk=d2, wipe_old=True)
    assert asked_for() == "spares=1"
    fresh_dom0.call("remove_disk", array="md0", disk=d3, wipe_old=True)
    assert asked_for() == ""


def test_a_spare_takes_the_place_of_a_member(fresh_dom0):
    """What a replacement that was killed in the middle leaves: the new disk is a spare, and the
    same call again goes on.
    """
    make(fresh_dom0, "10")
    old, new = fresh_dom0.disk("d1"), fresh_dom0.disk("d5")
    fresh_dom0.call("add_disk", array="md0", disk=new.device)
    fresh_dom0.call("replace_disk", array="md0", disk=old.device, new_disk=new.device)
    record = settled(fresh_dom0)
    assert (
        record["health"],
        new.device
        in [member["device"] for member in record["members"] if member["state"] == "active"],
    ) == ("optimal", True)


def test_a_serving_member_is_not_replaced_while_another_is_missing(fresh_dom0):
    """md would put the new disk in the place of the missing one."""
    make(fresh_dom0, "1")
    d0, d1, d5 = (fresh_dom0.disk(name) for name in ("d0", "d1", "d5"))
    fresh_dom0.call("fail_disk", array="md0", disk=d1.device, confirm=d1.serial)
    before = array(fresh_dom0)
    details = refusal(fresh_dom0, "replace_disk", array="md0", disk=d0.device, new_disk=d5.device)
    assert details[0] == "XSRAID_BAD_ARGUMENT"
    assert "add_disk" in details[-1]
    assert array(fresh_dom0) == before


def test_a_planned_replacement_alarms_nobody(fresh_dom0):
    configure(fresh_dom0)
    make(fresh_dom0, "1")
    wait_until_watching(fresh_dom0)
    limit_sync(fresh_dom0, 20000)
    fresh_dom0.call(
        "replace_disk",
        array="md0",
        disk=fresh_dom0.disk("d1").device,
        new_disk=fresh_dom0.disk("d2").device,
    )
    assert settled(fresh_dom0)["health"] == "optimal"
    fresh_dom0.run("sleep 3")
    assert history(fresh_dom0) == {}
    assert subjects(fresh_dom0) == []


def test_a_replacement_that_takes_a_second_alarms_nobody(fresh_dom0):
    configure(fresh_dom0)
    make(fresh_dom0, "1")
    wait_until_watching(fresh_dom0)
    one, other = fresh_dom0.disk("d1").device, fresh_dom0.disk("d2").device
    # Nobody looks while it goes on.
    fresh_dom0.run("systemctl mask --runtime --now xsraid-deliver.timer xsraid-deliver.service")
    fresh_dom0.call("replace_disk", array="md0", disk=one, new_disk=other)
    assert settled(fresh_dom0)["health"] == "optimal"
    fresh_dom0.run(
        "sleep 1; systemctl unmask --runtime xsraid-deliver.timer xsraid-deliver.service; "
        "systemctl start xsraid-deliver.service; sleep 2"
    )
    assert history(fresh_dom0) == {}
    assert subjects(fresh_dom0) == []


def test_a_replacement_goes_on_after_a_reboot_and_alarms_nobody(fresh_dom0):
    """The disks have other names then, and md itself marks only the one that is being filled."""
    configure(fresh_dom0)
    make(fresh_dom0, "1")
    wait_until_watching(fresh_dom0)
    limit_sync(fresh_dom0, 2000)
    fresh_dom0.run(
        "mkdir /etc/systemd/system/xsraid-assemble.service.d && cat "
        ">/etc/systemd/system/xsraid-assemble.service.d/slow.conf",
        stdin="[Service]\nExecStartPre=/bin/sh -c 'cd /proc/sys/dev/raid && echo 2000 | tee "
        "speed_limit_min speed_limit_max'\n",
    )
    old = fresh_dom0.disk("d1")
    fresh_dom0.call(
        "replace_disk", array="md0", disk=old.device, new_disk=fresh_dom0.disk("d2").device
    )
    fresh_dom0.reboot(("d5", "d2", "d0", "d4", "d3", "d1"))
    wait_until_brought_up(fresh_dom0)
    (replaced,) = [
        member["serial"] for member in array(fresh_dom0)["members"] if member["being_replaced"]
    ]
    assert replaced == old.serial
    assert fresh_dom0.disk("d1").device != old.device
    limit_sync(fresh_dom0, 20000)
    assert settled(fresh_dom0)["health"] == "optimal"
    fresh_dom0.run("sleep 3")
    assert history(fresh_dom0) == {}
    assert subjects(fresh_dom0) == []


def test_a_disk_that_was_pulled_comes_back(fresh_dom0):
    make(fresh_dom0, "10")
    pulled = fresh_dom0.pull_disk("d1")
    fresh_dom0.wait_until(lambda: array(fresh_dom0)["health"] == "degraded")
    fresh_dom0.push_disks()
    back = fresh_dom0.disk("d1")
    assert back.serial == pulled.serial
    # Udev may have put it back already.
    if back.device not in [member["device"] for member in array(fresh_dom0)["members"]]:
        fresh_dom0.call("add_disk", array="md0", disk=back.serial)
    assert settled(fresh_dom0)["health"] == "optimal"


def test_a_disk_that_is_gone_is_still_named(fresh_dom0):
    """By what was seen of it: mails send people to list_arrays to see which one it is."""
    make(fresh_dom0, "1")
    pulled = fresh_dom0.pull_disk("d1")
    fresh_dom0.run("dd if=/dev/zero of=/dev/md0 bs=4096 count=1 oflag=direct")
    fresh_dom0.wait_until(lambda: "missing" in states(array(fresh_dom0)))
    (gone,) = [member for member in array(fresh_dom0)["members"] if member["state"] == "missing"]
    assert gone["serial"] == pulled.serial
    assert gone["by_id"].startswith("/dev/disk/by-id/")
    assert f"that of slot 1 (serial number {pulled.serial})" in array(fresh_dom0)["summary"]
    fresh_dom0.reboot(disks=("d0", "d2", "d3", "d4", "d5"))
    (gone,) = [member for member in array(fresh_dom0)["members"] if member["state"] == "missing"]
    assert gone["serial"] == pulled.serial


def test_an_idle_array_lets_its_spare_in(fresh_dom0):
    """One that nobody has written to since it was started begins nothing by itself."""
    make(fresh_dom0, "1", spares=devices(fresh_dom0, "d2"))
    first, second, spare = devices(fresh_dom0, "d0", "d1", "d2")
    fresh_dom0.run(
        f"mdadm --stop /dev/md0 && mdadm --assemble /dev/md0 {first} {second} {spare} && "
        "udevadm settle"
    )
    assert fresh_dom0.run("cat /sys/block/md0/md/array_state").out == "read-auto\n"
    fresh_dom0.pull_disk("d0")
    fresh_dom0.wait_until(lambda: array(fresh_dom0)["health"] == "optimal")
    assert sorted(member["device"] for member in array(fresh_dom0)["members"]) == sorted(
        [second, spare]
    )


def test_a_former_member_is_freed_for_another_use(fresh_dom0):
    make(fresh_dom0, "1")
    old, other = fresh_dom0.disk("d1"), fresh_dom0.disk("d2")
    fresh_dom0.call("fail_disk", array="md0", disk=old.device, confirm=old.serial)
    fresh_dom0.call("remove_disk", array="md0", disk=old.device)
    wish = {"level": 1, "devices": [old.device, other.device], "name": "second", "wipe": True}
    code, *_, sentence = refusal(fresh_dom0, "create_array", **wish)
    assert code == "XSRAID_DISK_IN_USE"
    assert "remove_disk array=/dev/md0 with wipe_old=true" in sentence
    never = refusal(fresh_dom0, "remove_disk", array="md0", disk=other.device, wipe_old=True)
    assert never[0] == "XSRAID_UNKNOWN_DISK"
    reply = fresh_dom0.call("remove_disk", array="md0", disk=old.serial, wipe_old=True)
    assert reply["next"] == f"{old.device} is free for another use now."
    fresh_dom0.call("create_array", **wish)


def test_check_finds_what_was_planted(fresh_dom0):
    make(fresh_dom0, "1")
    fresh_dom0.run(
        f"dd if=/dev/urandom of={fresh_dom0.disk('d1').device} bs=64k seek=1000 count=1 "
        "oflag=direct conv=notrunc"
    )
    limit_sync(fresh_dom0, 5000)
    assert (
        fresh_dom0.call("check_array", array="md0", action="start")["array"]["health"] == "checking"
    )
    assert (
        fresh_dom0.call("check_array", array="md0", action="start")["array"]["sync"]["action"]
        == "check"
    )
    assert (
        fresh_dom0.call("check_array", array="md0", action="stop")["array"]["health"] == "optimal"
    )
    limit_sync(fresh_dom0, 200000)
    fresh_dom0.call("check_array", array="md0", action="start")
    record = settled(fresh_dom0)
    found = record["mismatch_count"]
    assert found >= 128
    assert record["last_check"]
    fresh_dom0.run("systemctl start xsraid-assemble.service")
    fresh_dom0.reboot()
    assert fresh_dom0.run("cat /sys/block/md0/md/mismatch_cnt").out == "0\n"
    assert array(fresh_dom0)["mismatch_count"] == found
    assert array(fresh_dom0)["last_check"]
    fresh_dom0.call(
        "fail_disk",
        array="md0",
        disk=fresh_dom0.disk("d1").device,
        confirm=fresh_dom0.disk("d1").serial,
    )
    assert "degraded" in refusal(fresh_dom0, "check_array", array="md0", action="start")[-1]


def test_deleted_when_nothing_is_on_it_any_more(fresh_dom0):
    make(fresh_dom0, "5")
    sr = fresh_dom0.call("create_sr", array="md0")["sr_uuid"]
    details = refusal(fresh_dom0, "delete_array", array="md0", confirm="md0")
    (pbd,) = fresh_dom0.xapi("PBD.get_all_records").values()
    assert details[0] == "XSRAID_ARRAY_IN_USE"
    assert f"xe pbd-unplug uuid={pbd['uuid']}" in details[-1]
    assert f"xe sr-destroy uuid={sr}" in details[-1]
    fresh_dom0.xe(f"pbd-unplug uuid={pbd['uuid']}")
    fresh_dom0.xe(f"sr-destroy uuid={sr}")
    for use, end, words in (
        (
            "mkfs.ext4 -q /dev/md0 && mkdir -p /srv/y && mount /dev/md0 /srv/y",
            "umount /srv/y",
            "/srv/y",
        ),
        (
            "wipefs -qa /dev/md0; pvcreate -q /dev/md0 && vgcreate -q data /dev/md0",
            "vgremove -q data && pvremove -q /dev/md0",
            "data",
        ),
    ):
        fresh_dom0.run(use)
        assert words in refusal(fresh_dom0, "delete_array", array="md0", confirm="md0")[2]
        fresh_dom0.run(end)
    # Not built on it, but it cannot be stopped.
    fresh_dom0.run(f"exec 9</dev/md0; sleep 1000 {ALONE} echo $! >/run/holder")
    before = fresh_dom0.run("cat /etc/mdadm.conf").out
    assert refusal(fresh_dom0, "delete_array", array="md0", confirm="md0")[:2] == [
        "XSRAID_COMMAND_FAILED",
        "mdadm --readonly /dev/md0",
    ]
    fresh_dom0.run("kill $(cat /run/holder)")
    assert (array(fresh_dom0)["health"], fresh_dom0.run("cat /etc/mdadm.conf").out) == (
        "optimal",
        before,
    )
    reply = fresh_dom0.call("delete_array", array="md0", confirm="md0")
    assert reply["deleted"] == "/dev/md0"
    assert reply["disks"] == devices(fresh_dom0, "d0", "d1", "d2")
    assert fresh_dom0.call("list_arrays") == {"arrays": []}
    assert "ARRAY" not in fresh_dom0.run("cat /etc/mdadm.conf").out
    left = {
        disk["device"]: (disk["refusals"], disk["stale"])
        for disk in fresh_dom0.call("list_disks")["disks"]
    }
    assert [left[device] for device in reply["disks"]] == [([], [])] * 3
    make(fresh_dom0, "5")


@pytest.mark.parametrize("action", one_of("resync", "reshape", "check", "recover"))
def test_deleted_while_something_is_under_way(fresh_dom0, action):
    """A kernel of today makes no array read-only meanwhile."""
    if action == "resync":
        limit_sync(fresh_dom0, 1000)
        fresh_dom0.call("create_array", level="1", devices=devices(fresh_dom0, "d0", "d1"))
    else:
        make(fresh_dom0, "5")
        limit_sync(fresh_dom0, 1000)
    new = fresh_dom0.disk("d3").device
    if action == "check":
        fresh_dom0.call("check_array", array="md0", action="start")
    elif action == "recover":
        fresh_dom0.call(
            "replace_disk", array="md0", disk=fresh_dom0.disk("d0").device, new_disk=new
        )
    elif action == "reshape":
        fresh_dom0.call("grow_array", array="md0", devices=new)
    record = array(fresh_dom0)
    assert record["sync"]["action"] == action
    deleted = fresh_dom0.call("delete_array", array="md0", confirm="md0")
    assert sorted(deleted["disks"]) == sorted(member["device"] for member in record["members"])
    assert deleted["warnings"] == []
    assert all(
        disk["stale"] == [] for disk in fresh_dom0.call("list_disks")["disks"] if disk["usable"]
    )


def test_a_deletion_that_was_cut_off_is_finished(fresh_dom0):
    """By the next call that changes anything; but not if somebody has begun to use the array
    since.
    """
    record = make(fresh_dom0, "1")
    note = f"/var/lib/xsraid/deleting-{record['uuid'].replace(':', '')}"
    fresh_dom0.run(
        f"echo '{{\"request\": {{}}}}' >{note}; mkfs.ext4 -q /dev/md0; mkdir -p /srv/z; mount "
        "/dev/md0 /srv/z; sync"
    )
    fresh_dom0.call("create_array", level="1", devices=devices(fresh_dom0, "d2", "d3"))
    assert len(fresh_dom0.call("list_arrays")["arrays"]) == 2
    assert fresh_dom0.run(f"[ -e {note} ]", check=False).status == 1
    fresh_dom0.run(f"umount /srv/z; echo '{{\"request\": {{}}}}' >{note}; sync")
    fresh_dom0.cut_power()
    fresh_dom0.boot()
    wait_until_brought_up(fresh_dom0)
    assert [one["device"] for one in fresh_dom0.call("list_arrays")["arrays"]] == ["/dev/md1"]
    assert (
        fresh_dom0.run(f"mdadm --examine {fresh_dom0.disk('d0').device}", check=False).status != 0
    )
