"""The care of arrays: a check of each in the quiet hours, one at a time on each disk, slowly; disks
that are about to fail.
"""

import json

from tests.dom0.steps import DISK_BYTES, configure, devices, settled
from tests.dom0.watching import delivered, history, messages, subjects, wait_until_watching

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "3.6"
NOTE = "/var/lib/xsraid/care"
SLOW = {"speed_max_mib_s": 1, "speed_min_mib_s": 1}  # a check takes longer than whoever looks at it
MONTH_S = 29 * 86400
HEALTHY = "SMART overall-health self-assessment test result: PASSED\n"
TABLE = (
    "  5 Reallocated_Sector_Ct 0x0033 100 100 010 Pre-fail Always - 0\n197 "
    "Current_Pending_Sector "
    "0x0012 100 100 000 Old_age Always - %d\n"
)


def set_hours(dom0, first, end, **more):
    """Set the quiet hours, counted from now."""
    hour = int(dom0.run("date +%H").out)
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    dom0.run(
        "cat >/etc/xsraid.conf",
        stdin=f"[check]\nhours = {(hour + first) % 24}-{(hour + end) % 24}\n{lines}",
    )


def hurry(dom0):
    """Have the checks that run end soon."""
    dom0.run("for speed in /sys/block/md*/md/sync_speed_m??; do echo 200000 >$speed; done")


def look_after(dom0):
    """Do what the timer does every hour."""
    dom0.run("systemctl start xsraid-care.service")


def make_due(dom0):
    """Have every array last checked a month ago."""
    note = json.loads(dom0.run(f"cat {NOTE}").out)
    for known in note["arrays"].values():
        known["since"] -= MONTH_S
    dom0.run(f"cat >{NOTE}", stdin=json.dumps(note))


def look_after_a_month(dom0):
    """Have every array checked as it is due: first it must be known, then a month passes."""
    look_after(dom0)
    make_due(dom0)
    look_after(dom0)


def arrays(dom0):
    return {record["device"]: record for record in dom0.call("list_arrays")["arrays"]}


def running(dom0):
    return [device for device, record in arrays(dom0).items() if record["health"] == "checking"]


def two_on_the_same_disks(dom0):
    """Make /dev/md0 and /dev/md1 on the partitions of d0 and d1, and /dev/md2 on d2 and d3, the
    quiet hours now.
    """
    d0, d1 = devices(dom0, "d0", "d1")
    dom0.run(
        "".join(f"printf '2048,150000\\n,\\n' | sfdisk -q {disk};" for disk in (d0, d1))
        + "udevadm settle"
    )
    for at in (0, 1):
        dom0.run(
            f"mdadm -q --create /dev/md{at} --run --level=1 --raid-devices=2 --bitmap=internal "
            f"--homehost=any {d0}{at + 1} {d1}{at + 1}"
        )
    dom0.call("create_array", level=1, devices=devices(dom0, "d2", "d3"), name="md2")
    for name in ("/dev/md0", "/dev/md1", "md2"):
        settled(dom0, name)
    set_hours(dom0, 0, 3, **SLOW)
    look_after(dom0)
    assert running(dom0) == []  # none is due: they are new


def test_each_array_once_a_month_and_never_two_on_one_disk(fresh_dom0):
    two_on_the_same_disks(fresh_dom0)
    make_due(fresh_dom0)
    look_after(fresh_dom0)
    assert running(fresh_dom0) == ["/dev/md0", "/dev/md2"]
    assert fresh_dom0.run("cat /sys/block/md0/md/sync_speed_max").out == "1024 (local)\n"
    hurry(fresh_dom0)
    settled(fresh_dom0, "/dev/md0")
    settled(fresh_dom0, "md2")
    look_after(fresh_dom0)
    assert running(fresh_dom0) == ["/dev/md1"]
    found = arrays(fresh_dom0)
    assert found["/dev/md0"]["last_check"]
    assert found["/dev/md2"]["last_check"]
    assert not found["/dev/md1"]["last_check"]
    hurry(fresh_dom0)
    settled(fresh_dom0, "/dev/md1")
    look_after(fresh_dom0)
    assert running(fresh_dom0) == []
    assert "system" in fresh_dom0.run("cat /sys/block/md1/md/sync_speed_max").out


def test_paused_when_the_hours_are_over_and_gone_on_with_after_a_reboot(fresh_dom0):
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    set_hours(fresh_dom0, 0, 3, speed_max_mib_s=2, speed_min_mib_s=2)
    look_after_a_month(fresh_dom0)
    fresh_dom0.wait_until(lambda: arrays(fresh_dom0)["/dev/md0"]["sync"]["done_ratio"] > 0.06)
    set_hours(fresh_dom0, 2, 4)
    look_after(fresh_dom0)
    assert running(fresh_dom0) == []
    assert arrays(fresh_dom0)["/dev/md0"]["last_check"] is None
    fresh_dom0.reboot()
    set_hours(fresh_dom0, 0, 3, **SLOW)
    look_after(fresh_dom0)
    assert arrays(fresh_dom0)["/dev/md0"]["sync"]["done_ratio"] >= 0.06
    fresh_dom0.call("check_array", array="md0", action="stop")
    look_after(fresh_dom0)
    assert running(fresh_dom0) == ["/dev/md0"]
    assert arrays(fresh_dom0)["/dev/md0"]["last_check"] is None
    hurry(fresh_dom0)
    settled(fresh_dom0)
    look_after(fresh_dom0)
    assert arrays(fresh_dom0)["/dev/md0"]["last_check"]


def test_a_check_that_is_long_overdue_is_told_of_once(fresh_dom0):
    """The host is off in its hours, or busy: nobody would know that nothing is compared."""
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    set_hours(fresh_dom0, 6, 7)
    look_after(fresh_dom0)
    for _ in range(2):
        make_due(fresh_dom0)
    look_after(fresh_dom0)
    assert messages(fresh_dom0) == []
    make_due(fresh_dom0)
    look_after(fresh_dom0)
    delivered(fresh_dom0, "XSRAID_CHECK_OVERDUE")
    assert "has not been checked for 87 days" in fresh_dom0.mails()[0].text
    look_after(fresh_dom0)
    assert messages(fresh_dom0) == ["XSRAID_CHECK_OVERDUE"]


def test_what_is_found_is_told_and_a_rebuild_is_not_slowed_down(fresh_dom0):
    configure(fresh_dom0)
    fresh_dom0.call(
        "create_array",
        level=1,
        devices=devices(fresh_dom0, "d0", "d1"),
        spares=devices(fresh_dom0, "d2"),
    )
    settled(fresh_dom0)
    wait_until_watching(fresh_dom0)
    fresh_dom0.run(
        f"dd if=/dev/urandom of={fresh_dom0.disk('d1').device} bs=64k seek=1000 count=1 "
        "oflag=direct conv=notrunc"
    )
    set_hours(fresh_dom0, 0, 3)
    look_after_a_month(fresh_dom0)
    delivered(fresh_dom0, "XSRAID_MISMATCHES")
    assert "found 128 sectors" in fresh_dom0.mails()[0].text
    set_hours(fresh_dom0, 0, 3, speed_max_mib_s=1)
    look_after_a_month(fresh_dom0)
    last_check = arrays(fresh_dom0)["/dev/md0"]["last_check"]
    assert running(fresh_dom0) == ["/dev/md0"]
    assert last_check
    fresh_dom0.call(
        "fail_disk",
        array="md0",
        disk=fresh_dom0.disk("d1").device,
        confirm=fresh_dom0.disk("d1").serial,
    )
    fresh_dom0.wait_until(
        lambda: "system" in fresh_dom0.run("cat /sys/block/md0/md/sync_speed_max").out
    )
    settled(fresh_dom0)
    look_after(fresh_dom0)
    assert arrays(fresh_dom0)["/dev/md0"]["last_check"] == last_check


def test_left_to_the_distribution(fresh_dom0):
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    set_hours(fresh_dom0, 0, 3, **SLOW)
    look_after(fresh_dom0)
    make_due(fresh_dom0)
    fresh_dom0.run(
        "echo '0 1 * * Sun root /usr/sbin/raid-check' >/etc/cron.d/raid-check; mkdir -p "
        "/etc/sysconfig; echo ENABLED=yes >/etc/sysconfig/raid-check"
    )
    look_after(fresh_dom0)
    assert running(fresh_dom0) == []
    assert "leaves that to it" in fresh_dom0.run("journalctl -t xsraid -n 20").out
    assert (
        "/etc/cron.d/raid-check"
        in fresh_dom0.call("check_array", array="md0", action="start")["schedule"]
    )
    hurry(fresh_dom0)
    settled(fresh_dom0)
    fresh_dom0.run("rm /etc/cron.d/raid-check")
    look_after(fresh_dom0)
    assert running(fresh_dom0) == [], "it has just been checked, as somebody asked"
    make_due(fresh_dom0)
    look_after(fresh_dom0)
    assert running(fresh_dom0) == ["/dev/md0"]


def test_a_disk_that_is_about_to_fail(fresh_dom0):
    """Its SMART verdict or its counts are told of once, before md notices anything; list_arrays
    shows them without asking the disk.
    """
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    wait_until_watching(fresh_dom0)
    one, weak = devices(fresh_dom0, "d0", "d1")
    smartctl = fresh_dom0.run("which smartctl").out.strip()
    fresh_dom0.run(
        "mkdir -p /run/smart; cat >/run/smart/smartctl; chmod +x /run/smart/smartctl; mount --bind "
        "/run/smart/smartctl " + smartctl,
        stdin="#!/bin/bash\ncat /run/smart/${@: -1:1}\n",
    )
    fresh_dom0.run("mkdir -p /run/smart/dev")
    for pending in (0, 8, 8):
        for device in (one, weak):
            fresh_dom0.run(
                f"cat >/run/smart{device}",
                stdin=HEALTHY + TABLE % (pending if device == weak else 0),
            )
        look_after(fresh_dom0)
        if pending:
            delivered(fresh_dom0, "XSRAID_DISK_WEAK")
    fresh_dom0.run("sleep 2")
    assert messages(fresh_dom0) == ["XSRAID_DISK_WEAK"]
    assert subjects(fresh_dom0) == [
        f"[xsraid] XSRAID_DISK_WEAK: disk {weak} is likely to fail, /dev/md0 on dom0"
    ]
    (mail,) = fresh_dom0.mails()
    assert "pending sectors: 8" in mail.text
    assert "fn=replace_disk" in mail.text
    assert fresh_dom0.disk("d1").serial in mail.text
    fresh_dom0.run(f"umount {smartctl}")
    members = arrays(fresh_dom0)["/dev/md0"]["members"]
    assert [
        (member["smart"]["verdict"], member["smart"]["pending_sectors"]) for member in members
    ] == [("PASSED", 0), ("PASSED", 8)]
    assert history(fresh_dom0) == {"XSRAID_DISK_WEAK": {"mail": "accepted", "xapi": "accepted"}}
