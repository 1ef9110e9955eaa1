"""Where parts of an array ran apart, the fresher one is the data: nothing that was written is
written over, whatever comes when.
"""

import json
import re

import pytest

from tests.dom0.steps import DISK_BYTES, devices, one_of, refusal, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
# Of two mdadm: either may start the array, and the other may add its member to that, as one in sync
# or as a spare.
RACES = 4
UNITS = "systemctl restart xsraid-assemble.service xsraid-attach.service"
# What mdadm does when it adds to a running array a member that was in sync: the ioctl ADD_NEW_DISK
# of linux/raid/md_u.h; arguments: member, slot.
ADD_IN_SYNC = """
import fcntl, os, struct, sys
number = os.stat(sys.argv[1]).st_rdev
slot = int(sys.argv[2])
fcntl.ioctl(os.open("/dev/md0", os.O_RDWR), 0x40140921, struct.pack("5i", slot, os.major(number), os.minor(number), slot, 0b110))
"""  # noqa: E501
# Has a superblock of version 1.2 count so many events and say that another member is out; offsets
# and checksum: mdadm's super1.c.
LEAVE_OUT = """
import struct, sys
with open(sys.argv[1], "r+b") as disk:
    disk.seek(4096)
    block = bytearray(disk.read(1024))
    struct.pack_into("<Q", block, 200, int(sys.argv[2]))
    struct.pack_into("<H", block, 256 + 2 * int(sys.argv[3]), 0xfffe)
    struct.pack_into("<I", block, 216, 0)
    count, = struct.unpack_from("<I", block, 220)
    words = sum(struct.unpack_from("<%dI" % (64 + count // 2), block))
    words += struct.unpack_from("<H", block, 256 + 2 * (count - 1))[0] if count % 2 else 0
    struct.pack_into("<I", block, 216, (words & 0xffffffff) + (words >> 32) & 0xffffffff)
    disk.seek(4096)
    disk.write(block)
"""
SHOWN = "mdadm --examine {disk} | grep -E 'Events|Array State|active sync|removed'"


def attached(dom0):
    return dom0.xe("pbd-list params=currently-attached --minimal").strip()


def told(dom0, name="XSRAID_ARRAY_DIVERGED"):
    """Return the priorities and bodies of XAPI's messages of that name, once there is one; it is
    delivered in the background.
    """
    return dom0.wait_until(
        lambda: [
            (int(message["priority"]), message["body"])
            for message in dom0.xapi("message.get_all_records").values()
            if message["name"] == name
        ]
    )


def looked_at(dom0):
    """Return when members that came were looked at last because udev said so, not as all arrays are
    now and then; 0 if they never were.
    """
    return int(
        dom0.run(
            "systemctl show --value --property ExecMainStartTimestampMonotonic xsraid-late.service"
        ).out
    )


def array(dom0):
    (found,) = dom0.call("list_arrays")["arrays"]
    return found


def runs_from(dom0):
    """Return the test's names of the disks that md0 runs from."""
    names = {disk.device: name for name, disk in dom0.disks().items()}
    return sorted(names[member["device"]] for member in array(dom0)["members"] if member["device"])


def mirror_in_two_states(dom0):
    """Make a mirror of d0 and d1 with an SR, which d0 left before `precious` was written; return
    the SR's uuid.
    """
    dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"), name="md0")
    sr = dom0.call("create_sr", array="md0")["sr_uuid"]
    settled(dom0)
    (left,) = devices(dom0, "d0")
    group = "VG_XenStorage-" + sr
    dom0.run(
        f"lvcreate -q -y -L 8M -n disk {group} && echo old >/dev/{group}/disk && sync && mdadm "
        f"/dev/md0 --fail {left} && "
        f"mdadm /dev/md0 --remove {left} && echo precious >/dev/{group}/disk && sync && lvchange "
        f"-an {group}/disk"
    )
    # That is one more event.
    dom0.wait_until(lambda: dom0.run("cat /sys/block/md0/md/array_state").out == "clean\n")
    return sr


def quiet(dom0):
    """Have nobody look at the arrays but whom the test asks to."""
    dom0.run(
        "systemctl stop xsraid-late.path xsraid-care.timer xsraid-deliver.timer; systemctl stop "
        "xsraid-late.service xsraid-deliver.service"
    )


def forget(dom0):
    """Cut the power before it was noted what ran."""
    quiet(dom0)
    dom0.run("rm -f /var/lib/xsraid/ran_from; sync")
    dom0.cut_power()


def at_rest(dom0, disk):
    """Return what SHOWN says of a disk once that stays so: md counts back when all is written."""

    def stays():
        shown = dom0.run(SHOWN.format(disk=disk)).out
        return shown if dom0.run("sleep 2; " + SHOWN.format(disk=disk)).out == shown else None

    return dom0.wait_until(stays)


def content(dom0, sr):
    group = "VG_XenStorage-" + sr
    return dom0.run(
        f"lvchange -ay {group}/disk && head -n 1 /dev/{group}/disk && lvchange -an {group}/disk"
    ).out.strip()


def test_a_fresher_disk_that_comes_late_is_not_written_over(fresh_dom0):
    """A is started alone, as it must be; B counts more events. Nothing takes B in, and following
    the alert brings back what only B has.
    """
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    sr = mirror_in_two_states(fresh_dom0)
    fresh = fresh_dom0.disk("d1")
    before = at_rest(fresh_dom0, fresh.device)
    forget(fresh_dom0)
    fresh_dom0.boot(late={"d1": 7})
    fresh_dom0.wait_until(lambda: "d1" in fresh_dom0.disks())
    ((priority, body),) = told(fresh_dom0)
    fresh = fresh_dom0.disk("d1")
    assert priority == 1
    assert fresh.by_id in body
    assert fresh_dom0.disk("d0").by_id in body
    assert "wipe=true" in body
    assert runs_from(fresh_dom0) == ["d0"]
    for _ in range(2):
        fresh_dom0.run(UNITS)
        assert (
            "d1" not in runs_from(fresh_dom0) if array(fresh_dom0)["health"] != "missing" else True
        )
    assert fresh_dom0.run(SHOWN.format(disk=fresh.device)).out == before
    code, device, *_, sentence = (
        refusal(fresh_dom0, "add_disk", array="md0", disk=fresh.serial)
        if array(fresh_dom0)["health"] != "missing"
        else ("XSRAID_STALE_DATA", fresh.device, "split")
    )
    assert (code, device) == ("XSRAID_STALE_DATA", fresh.device)
    assert "split" in sentence
    fresh_dom0.reboot()
    fresh_dom0.wait_until_xapi()
    fresh_dom0.run("systemctl start xsraid-attach.service")
    assert attached(fresh_dom0) == "false", "parts that were both written to: neither is started"
    assert array(fresh_dom0)["health"] == "missing", (
        "parts that were both written to: neither is started"
    )
    fresh, stale = fresh_dom0.disk("d1"), fresh_dom0.disk("d0")
    for _ in range(RACES):
        fresh_dom0.run(
            f"mdadm --incremental {stale.device} & mdadm --incremental {fresh.device} & wait; "
            "udevadm settle"
        )
        fresh_dom0.run(UNITS)
        assert attached(fresh_dom0) == "false", "both at once, as udev finds them"
        assert array(fresh_dom0)["health"] == "missing", "both at once, as udev finds them"
    assert fresh_dom0.run(SHOWN.format(disk=fresh.device)).out == before
    fresh_dom0.run(
        f"mdadm --assemble --run /dev/md0 {fresh.by_id} && udevadm settle && xe pbd-plug uuid=$(xe "
        "pbd-list --minimal)"
    )
    assert content(fresh_dom0, sr) == "precious"
    assert refusal(fresh_dom0, "add_disk", array="md0", disk=stale.serial)[:2] == [
        "XSRAID_STALE_DATA",
        stale.device,
    ]
    assert (
        refusal(fresh_dom0, "remove_disk", array="md0", disk=stale.serial, wipe_old=True)[0]
        == "XSRAID_WOULD_LOSE_DATA"
    )
    fresh_dom0.call("add_disk", array="md0", disk=stale.serial, wipe=True)
    assert settled(fresh_dom0)["health"] == "optimal"
    assert content(fresh_dom0, sr) == "precious"


def test_the_fresher_disk_is_started_where_both_are_seen_in_time(fresh_dom0):
    """Late, but within the wait; then with the older one started by somebody, not yet written to,
    and the fresher one added to it, as udev's may.
    """
    fresh_dom0.run("printf '[boot]\\nwait_s = 8\\n' >/etc/xsraid.conf")
    sr = mirror_in_two_states(fresh_dom0)
    fresh_dom0.reboot(late={"d1": 2})
    fresh_dom0.wait_until_xapi()
    fresh_dom0.run("systemctl start xsraid-attach.service")
    assert runs_from(fresh_dom0) == ["d1"]
    assert attached(fresh_dom0) == "true"
    assert content(fresh_dom0, sr) == "precious"
    (stale,) = devices(fresh_dom0, "d0")
    (fresh,) = devices(fresh_dom0, "d1")
    quiet(fresh_dom0)
    for command, running in (
        (["true"], ["d0"]),
        ([fresh_dom0.python.command, "-c", ADD_IN_SYNC, fresh, "1"], ["d0", "d1"]),
    ):
        fresh_dom0.run(
            "xe pbd-unplug uuid=$(xe pbd-list --minimal) && mdadm --stop /dev/md0 && "
            f"{alone([stale])}"
        )
        fresh_dom0.run(command)
        assert runs_from(fresh_dom0) == running
        assert fresh_dom0.run("cat /sys/block/md0/md/array_state").out == "read-auto\n"
        fresh_dom0.run(UNITS)
        assert runs_from(fresh_dom0) == ["d1"]
        assert attached(fresh_dom0) == "true"
        assert content(fresh_dom0, sr) == "precious"
    assert [
        message
        for message in fresh_dom0.xapi("message.get_all_records").values()
        if message["name"] == "XSRAID_ARRAY_DIVERGED"
    ] == []


# How it is made, which disks are away at a start, and those that are there and are written to.
KINDS = {
    "0.90": ("--metadata=0.90 --level=1 --bitmap=none -n 2 {d0} {d1}", ("d0",), ("d1",)),
    "1.0": ("--metadata=1.0 --level=1 --bitmap=internal -n 2 {d0} {d1}", ("d1",), ("d0",)),
    "RAID10": ("--level=10 --bitmap=internal -n 4 {d0} {d1} {d2} {d3}", ("d1", "d3"), ("d0", "d2")),
    "RAID6": ("--level=6 --bitmap=none -n 4 {d0} {d1} {d2} {d3}", ("d0", "d3"), ("d1", "d2")),
}


@pytest.fixture
def apart(fresh_dom0, request):
    """An array whose parts went apart, stopped and configured; give (dom0, older disks, fresher
    ones).
    """
    how, older, fresher = KINDS[request.param]
    disks = {name: disk.device for name, disk in fresh_dom0.disks().items()}
    older, fresher = [disks[name] for name in older], [disks[name] for name in fresher]
    fresh_dom0.run(
        f"modprobe -a raid456; yes | mdadm --create /dev/md0 --run {how.format(**disks)} && "
        "udevadm settle && "
        "(mdadm --wait /dev/md0 || true) && mdadm --detail --brief /dev/md0 >/etc/mdadm.conf && "
        "dd if=/dev/zero of=/dev/md0 bs=64k count=16 conv=fsync && mdadm --stop /dev/md0 && "
        f"{alone(fresher)} && "
        "yes precious | dd of=/dev/md0 bs=64k count=16 iflag=fullblock conv=fsync; sync; mdadm "
        "--stop /dev/md0; udevadm settle"
    )
    return fresh_dom0, older, fresher


def alone(disks):
    return (
        f"mdadm --assemble --run /dev/md0 {' '.join(disks)} && udevadm settle && grep "
        "-q 'md0 : "
        "active' /proc/mdstat"
    )


@pytest.mark.parametrize("apart", one_of("1.0", "0.90", "RAID10", "RAID6"), indirect=True)
def test_each_kind_of_halves(apart):
    """The older part is started alone, not written to: the fresher one is started. Then written to:
    none is, and nothing is written over.
    """
    dom0, older, fresher = apart
    dom0.run(alone(older))
    dom0.run("systemctl restart xsraid-assemble.service")
    assert (
        sorted(member["device"] for member in array(dom0)["members"] if member["device"]) == fresher
    )
    assert dom0.run("head -c 9 /dev/md0").out == "precious\n"
    dom0.run("mdadm --stop /dev/md0; udevadm settle")
    shown = [dom0.run(SHOWN.format(disk=disk)).out for disk in fresher]
    dom0.run(f"{alone(older)} && echo lost | dd of=/dev/md0 conv=fsync && udevadm settle")
    dom0.run(UNITS)
    assert array(dom0)["health"] == "missing"
    assert told(dom0)[0][0] == 1
    assert [dom0.run(SHOWN.format(disk=disk)).out for disk in fresher] == shown


def test_an_older_part_in_use_goes_on_and_gets_nothing_added(fresh_dom0):
    sr = mirror_in_two_states(fresh_dom0)
    stale, fresh = fresh_dom0.disk("d0").device, fresh_dom0.disk("d1").device
    fresh_dom0.run(
        f"xe pbd-unplug uuid=$(xe pbd-list --minimal) && mdadm --stop /dev/md0 && {alone([stale])} "
        f"&& vgchange -ay VG_XenStorage-{sr} && "
        f"exec 9<>/dev/VG_XenStorage-{sr}/disk; sleep 1000 <&9 >/dev/null 2>&1 & echo $! "
        ">/run/sleeper; sleep 0.5"
    )
    shown = fresh_dom0.run(SHOWN.format(disk=fresh)).out
    fresh_dom0.run(UNITS)
    assert runs_from(fresh_dom0) == ["d0"]
    assert attached(fresh_dom0) == "false"
    assert told(fresh_dom0)[0][0] == 1
    assert fresh_dom0.run(SHOWN.format(disk=fresh)).out == shown
    fresh_dom0.run("kill $(cat /run/sleeper)")


def test_an_array_that_hangs_keeps_no_other_from_its_work(fresh_dom0):
    """A member of md1 answers no more: md1 is started without it, md0 and its SR are there, and
    calls are served.
    """
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n[mdadm]\\ntimeout_s = 5\\n' >/etc/xsraid.conf")
    first, second, slow, last = devices(fresh_dom0, "d0", "d1", "d2", "d3")
    fresh_dom0.call("create_array", level=1, devices=[first, second], name="md0")
    sr = fresh_dom0.call("create_sr", array="md0")["sr_uuid"]
    settled(fresh_dom0)
    fresh_dom0.run(
        f'dmsetup create slow --table "0 $(blockdev --getsz {slow}) linear {slow} 0" && yes | '
        "mdadm --create /dev/md1 --run --level=1 "
        f"--raid-devices=2 /dev/mapper/slow {last} && mdadm --wait /dev/md1; mdadm --detail "
        "--brief /dev/md1 >>/etc/mdadm.conf; "
        "xe pbd-unplug uuid=$(xe pbd-list --minimal); udevadm trigger --settle /dev/mapper/slow; "
        "mdadm --stop /dev/md0 /dev/md1; udevadm settle; dmsetup suspend slow; "
        "echo 'devices { ignore_suspended_devices = 1 }' >/etc/lvm/lvmlocal.conf"
    )
    try:
        fresh_dom0.run("timeout 100 " + UNITS)
        health = {
            record["device"]: record["health"]
            for record in fresh_dom0.call("list_arrays")["arrays"]
        }
        assert health == {"/dev/md0": "optimal", "/dev/md1": "degraded"}
        assert attached(fresh_dom0) == "true"
        # Whichever tool came first to the slow member: mdadm, or one that looks at what is there.
        hung = fresh_dom0.run("ps -eo stat=,args=").out
        assert re.search(r"^D[^\[]*$", hung, re.MULTILINE), (
            f"nothing hung: the test shows nothing\n{hung}"
        )
        assert fresh_dom0.call("create_sr", array="md0")["sr_uuid"] == sr
    finally:
        fresh_dom0.run(
            "dmsetup resume slow; sleep 1; mdadm --stop /dev/md1; dmsetup remove slow; rm "
            "/etc/lvm/lvmlocal.conf",
            check=False,
        )


def test_a_newer_part_is_known_when_what_runs_has_counted_past_it(fresh_dom0):
    """The disk that was replaced is in the box still, and comes alone. Its place was another's: the
    newer part says of no slot that it is gone.
    """
    sr = mirror_in_two_states(fresh_dom0)
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    fresh_dom0.call("add_disk", array="md0", disk=fresh_dom0.disk("d2").by_id)
    settled(fresh_dom0)
    group = "VG_XenStorage-" + sr
    fresh_dom0.run(
        f"lvcreate -q -y -L 4M -n more {group}; lvchange -an {group}/more; echo 0.01 "
        ">/sys/block/md0/md/safe_mode_delay; sync"
    )
    forget(fresh_dom0)
    fresh_dom0.boot(disks=("d0",))
    assert runs_from(fresh_dom0) == ["d0"]
    fresh_dom0.run(
        "echo 0.01 >/sys/block/md0/md/safe_mode_delay; for i in {1..80}; do "
        f"vgchange -q --addtag t$i {group} >/dev/null; sleep 0.1; done; sync"
    )
    before = looked_at(fresh_dom0)
    fresh_dom0.plug_in("d1")
    fresh_dom0.plug_in("d2")
    fresh_dom0.wait_until(lambda: looked_at(fresh_dom0) > before)
    counts = {
        name: int(
            fresh_dom0.run(f"mdadm --examine --export {disk.device} | sed -n s/^MD_EVENTS=//p").out
        )
        for name, disk in fresh_dom0.disks().items()
        if name in ("d0", "d1", "d2")
    }
    assert counts["d0"] > counts["d1"] + 1, counts
    ((priority, body),) = told(fresh_dom0)
    assert priority == 1
    assert fresh_dom0.disk("d1").by_id in body
    assert (
        refusal(fresh_dom0, "add_disk", array="md0", disk=fresh_dom0.disk("d1").by_id)[0]
        == "XSRAID_STALE_DATA"
    )
    fresh_dom0.run(UNITS)
    assert "d1" not in (runs_from(fresh_dom0) if array(fresh_dom0)["health"] != "missing" else [])


def noted(dom0):
    """Have noted what md0 runs from, as at each shutdown; return what leads to these members."""
    dom0.run("/usr/libexec/xsraid/at-boot note")
    (known,) = json.loads(dom0.run("cat /var/lib/xsraid/ran_from").out).values()
    return known["names"]


def test_a_member_that_was_out_is_not_started_alone_while_the_other_is_late(fresh_dom0):
    """It says of itself that all members are there, as it has not been written to since it failed.
    The array starts, and its SR is plugged, when the other comes.
    """
    sr = mirror_in_two_states(fresh_dom0)
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    assert fresh_dom0.disk("d1").by_id in noted(fresh_dom0)
    before = fresh_dom0.run(SHOWN.format(disk=fresh_dom0.disk("d0").device)).out
    fresh_dom0.reboot(late={"d1": 30})
    ((priority, body),) = told(fresh_dom0)
    assert "d1" not in fresh_dom0.disks(), "it came before the alert: the test shows nothing"
    assert priority == 1
    assert fresh_dom0.disk("d0").by_id in body
    assert "starts by itself" in body
    assert array(fresh_dom0)["health"] == "missing"
    assert attached(fresh_dom0) == "false"
    fresh_dom0.wait_until(lambda: attached(fresh_dom0) == "true")
    assert runs_from(fresh_dom0) == ["d1"]
    assert fresh_dom0.disk("d1").by_id in body
    assert content(fresh_dom0, sr) == "precious"
    assert fresh_dom0.run(SHOWN.format(disk=fresh_dom0.disk("d0").device)).out == before


def test_what_is_left_of_an_array_is_started_as_its_alert_says(fresh_dom0):
    """The fresher disk is lost. Who follows the alert has the older data, also after a reboot; the
    lost disk comes back, and nothing of it is written over.
    """
    sr = mirror_in_two_states(fresh_dom0)
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    noted(fresh_dom0)
    before = fresh_dom0.run(SHOWN.format(disk=fresh_dom0.disk("d1").device)).out
    fresh_dom0.reboot(disks=("d0",))
    ((_, body),) = told(fresh_dom0)
    command = re.search("`(mdadm --assemble --run [^`]+)`", body).group(1)
    fresh_dom0.run(f"{command} && udevadm settle && xe pbd-plug uuid=$(xe pbd-list --minimal)")
    assert content(fresh_dom0, sr) == "old"
    # Only looked at, it could still be given up for the other.
    assert fresh_dom0.disk("d0").by_id not in noted(fresh_dom0)
    disk = f"/dev/VG_XenStorage-{sr}/disk"
    fresh_dom0.run(f"lvchange -ay {disk}; echo new >{disk}; sync; lvchange -an {disk}")
    assert fresh_dom0.disk("d0").by_id in noted(fresh_dom0)
    fresh_dom0.reboot(disks=("d0",))
    fresh_dom0.wait_until(lambda: attached(fresh_dom0) == "true")
    assert content(fresh_dom0, sr) == "new"
    looked = looked_at(fresh_dom0)
    fresh_dom0.plug_in("d1")
    fresh_dom0.wait_until(lambda: looked_at(fresh_dom0) > looked)
    assert runs_from(fresh_dom0) == ["d0"]
    assert fresh_dom0.run(SHOWN.format(disk=fresh_dom0.disk("d1").device)).out == before


def test_a_disk_that_was_replaced_is_not_started_alone(fresh_dom0):
    """Its slot is another's by now, and the array is whole. mdadm itself has started it, as
    mdadm-last-resort does: it is stopped again, as nobody uses it.
    """
    sr = mirror_in_two_states(fresh_dom0)
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    fresh_dom0.call("add_disk", array="md0", disk=fresh_dom0.disk("d2").by_id)
    settled(fresh_dom0)
    assert fresh_dom0.disk("d2").by_id in noted(fresh_dom0)
    fresh_dom0.reboot(disks=("d0",))
    fresh_dom0.run("systemctl start xsraid-attach.service")  # which may be under way
    assert array(fresh_dom0)["health"] == "missing"
    fresh_dom0.run(alone(devices(fresh_dom0, "d0")))
    fresh_dom0.run(UNITS)
    assert array(fresh_dom0)["health"] == "missing"
    assert attached(fresh_dom0) == "false"
    stop = "systemctl stop xsraid-attach.service && systemctl restart xsraid-assemble.service"
    fresh_dom0.run(f"{stop} && {alone(devices(fresh_dom0, 'd0'))}")
    fresh_dom0.run("systemctl start xsraid-attach.service")
    assert array(fresh_dom0)["health"] == "missing"
    assert attached(fresh_dom0) == "false"
    fresh_dom0.plug_in("d1")
    fresh_dom0.plug_in("d2")
    fresh_dom0.wait_until(lambda: attached(fresh_dom0) == "true")
    fresh_dom0.wait_until(lambda: runs_from(fresh_dom0) == ["d1", "d2"])
    assert settled(fresh_dom0)["health"] == "optimal"
    assert content(fresh_dom0, sr) == "precious"


def test_a_disk_that_was_replaced_and_comes_late_is_not_started_alone(fresh_dom0):
    """None is there at the boot. udev begins the array with it, and mdadm-last-resort would start
    that half a minute later, or has started it when it is looked at.
    """
    sr = mirror_in_two_states(fresh_dom0)
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    noted(fresh_dom0)
    fresh_dom0.reboot(disks=())
    assert array(fresh_dom0)["health"] == "missing"
    fresh_dom0.run("systemctl stop xsraid-late.path")
    fresh_dom0.plug_in("d0")
    fresh_dom0.run("udevadm settle")
    assert array(fresh_dom0)["health"] == "inactive"
    fresh_dom0.run("/usr/libexec/xsraid/at-boot late")
    assert array(fresh_dom0)["health"] == "missing"
    ((priority, body),) = told(fresh_dom0)
    assert priority == 1
    assert "starts by itself" in body
    fresh_dom0.run(alone(devices(fresh_dom0, "d0")))
    fresh_dom0.run("/usr/libexec/xsraid/at-boot late")
    assert runs_from(fresh_dom0) == ["d0"], "somebody who was told started it"
    stop = "udevadm settle && vgchange -q -an && mdadm --stop /dev/md0"
    fresh_dom0.run(f"{stop} && systemctl start xsraid-late.path")
    fresh_dom0.plug_in("d1")
    fresh_dom0.wait_until(lambda: attached(fresh_dom0) == "true")
    assert runs_from(fresh_dom0) == ["d1"]
    assert content(fresh_dom0, sr) == "precious"


def events_of(dom0, disk):
    return int(dom0.run(f"mdadm --examine --export {disk} | sed -n s/^MD_EVENTS=//p").out)


@pytest.mark.parametrize("apart", ["1.0"], indirect=True)
def test_halves_of_equal_counts_that_mdadm_joins_are_taken_apart(apart):
    """udev gives both to `mdadm -I`. What a kernel before 6.8 makes of them looks whole."""
    dom0, (older,), (fresher,) = apart
    counts = {disk: events_of(dom0, disk) for disk in (older, fresher)}
    while len(set(counts.values())) > 1 or counts[older] < 10:
        disk = min(sorted(counts), key=counts.get)
        dom0.run(
            f"{alone([disk])} && echo {disk} | dd of=/dev/md0 conv=fsync && mdadm --stop /dev/md0; "
            "udevadm settle"
        )
        assert events_of(dom0, disk) > counts[disk]
        counts[disk] = events_of(dom0, disk)
    shown = [dom0.run(SHOWN.format(disk=disk)).out for disk in (older, fresher)]
    for pair in ((older, fresher), (fresher, older)):
        dom0.run(["bash", "-c", 'mdadm -I "$1"; mdadm -I "$2"; udevadm settle', "", *pair])
        dom0.run(UNITS)
        assert array(dom0)["health"] == "missing"
        assert [dom0.run(SHOWN.format(disk=disk)).out for disk in (older, fresher)] == shown
    ((priority, body),) = told(dom0)
    assert priority == 1
    assert "written to without each other" in body


@pytest.mark.parametrize("is_split", [False, True])
def test_members_that_a_kernel_has_joined_are_taken_apart(fresh_dom0, is_split):
    """A kernel before 6.8 asks each member alone which part it has: one that was left out just
    before a power cut is taken back, and so are two that ran alone, with equal counts.
    """
    first, second = devices(fresh_dom0, "d0", "d1")
    fresh_dom0.call("create_array", level=1, devices=[first, second], name="md0")
    settled(fresh_dom0)
    fresh_dom0.run(
        "mdadm --stop /dev/md0; mdadm --assemble /dev/md0 && udevadm settle && grep -q "
        "read-auto /sys/block/md0/md/array_state"
    )
    count = events_of(fresh_dom0, second) + 1
    for disk, other in [(second, 0), (first, 1)][: 1 + is_split]:
        fresh_dom0.run([fresh_dom0.python.command, "-c", LEAVE_OUT, disk, str(count), str(other)])
    fresh_dom0.run(
        f"start=$(mdadm --examine {second} | sed -n 's/ *Data Offset : \\([0-9]*\\) .*/\\1/p'); "
        f"yes precious | dd of={second} seek=$start count=1 iflag=fullblock conv=notrunc,fsync"
    )
    shown = fresh_dom0.run(SHOWN.format(disk=second)).out
    assert "Array State : .A" in shown
    fresh_dom0.run(UNITS)
    if is_split:
        assert array(fresh_dom0)["health"] == "missing"
        assert told(fresh_dom0)[0][0] == 1
        assert fresh_dom0.run(SHOWN.format(disk=second)).out == shown
    else:
        assert runs_from(fresh_dom0) == ["d1"]
        assert fresh_dom0.run("head -c 9 /dev/md0").out == "precious\n"
