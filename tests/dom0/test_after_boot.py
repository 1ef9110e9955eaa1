"""What the main job made is there again after a reboot and after a power cut, whatever the disks
are called by then.
"""

import pytest

from tests.dom0.steps import DISK_BYTES, configure, devices, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
FAULTS = "/run/xapi-faults"
ANOTHER_ORDER = ("d3", "d1", "d0", "d2")


def attached(dom0):
    return dom0.xe("pbd-list params=currently-attached --minimal").strip()


def test_array_sr_and_alerts_survive_a_reboot(fresh_dom0):
    configure(fresh_dom0)
    array = fresh_dom0.call(
        "create_array", level=10, devices=devices(fresh_dom0, "d0", "d1", "d2", "d3")
    )["array"]
    sr = fresh_dom0.call("create_sr", array="md0")
    fresh_dom0.run(
        f"lvcreate -q -y -L 8M -n disk VG_XenStorage-{sr['sr_uuid']} && echo precious "
        f">/dev/VG_XenStorage-{sr['sr_uuid']}/disk && sync"
    )
    settled(fresh_dom0)
    fresh_dom0.reboot(ANOTHER_ORDER)
    fresh_dom0.wait_until_xapi()
    again = settled(fresh_dom0)
    assert (again["uuid"], again["device"], again["health"], again["sr"]["uuid"]) == (
        array["uuid"],
        "/dev/md0",
        "optimal",
        sr["sr_uuid"],
    )
    assert [member["serial"] for member in again["members"]] == [
        member["serial"] for member in array["members"]
    ]
    assert [member["device"] for member in again["members"]] != [
        member["device"] for member in array["members"]
    ]
    assert attached(fresh_dom0) == "true"
    assert fresh_dom0.call("create_sr", array="md0") == dict(sr, created=False)
    assert (
        fresh_dom0.run(
            f"lvchange -ay VG_XenStorage-{sr['sr_uuid']}/disk && head -n 1 "
            f"/dev/VG_XenStorage-{sr['sr_uuid']}/disk"
        ).out
        == "precious\n"
    )
    assert fresh_dom0.call("get_alerts")["monitor"] == "running"
    assert fresh_dom0.call("test_alert")["deliveries"][0]["accepted"]


def test_a_power_cut_while_it_synchronises(fresh_dom0):
    fresh_dom0.run("echo 5000 >/proc/sys/dev/raid/speed_limit_max")
    array = fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))[
        "array"
    ]
    assert array["health"] == "resyncing"
    sr = fresh_dom0.call("create_sr", array="md0")
    fresh_dom0.run("sync")
    fresh_dom0.cut_power()
    fresh_dom0.boot()
    fresh_dom0.wait_until_xapi()
    again = fresh_dom0.call("list_arrays")["arrays"][0]
    assert (again["uuid"], again["device"], again["configured"]) == (
        array["uuid"],
        "/dev/md0",
        True,
    )
    assert again["health"] in ("resyncing", "optimal")
    assert again["sr"]["uuid"] == sr["sr_uuid"]
    assert attached(fresh_dom0) == "true"


def make_sr(dom0, **more):
    """Make a RAID1 of d0 and d1 with an SR on it; return (array, SR's reply)."""
    array = dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"), **more)["array"]
    sr = dom0.call("create_sr", array=array["uuid"])
    settled(dom0, array["uuid"])
    return array, sr


def booted(dom0, **more):
    """Reboot, wait until the units have done their work, and return the arrays."""
    dom0.reboot(**more)
    dom0.run("systemctl start xsraid-attach.service")
    return dom0.call("list_arrays")["arrays"]


def messages(dom0):
    """Return {name: body} of XAPI's messages of xsraid."""
    found = dom0.xapi("message.get_all_records").values()
    return {
        message["name"]: message["body"]
        for message in found
        if message["name"].startswith("XSRAID")
    }


def told(dom0, name):
    """Return the body of a message of that name; it is delivered in the background."""
    return dom0.wait_until(lambda: messages(dom0).get(name))


def test_an_array_that_the_initrd_numbered_md127_gets_its_node_back(fresh_dom0):
    """A second boot without its ARRAY line makes it md127; then the line is there, but dom0 started
    with what an old initrd had assembled.
    """
    array, sr = make_sr(fresh_dom0, name="md0")
    old_initrd(fresh_dom0, array, "md127")
    fresh_dom0.run("systemctl restart xsraid-assemble.service xsraid-attach.service")
    (again,) = fresh_dom0.call("list_arrays")["arrays"]
    assert (again["device"], again["health"], again["sr"]["uuid"]) == (
        "/dev/md0",
        "optimal",
        sr["sr_uuid"],
    )
    assert attached(fresh_dom0) == "true"
    assert "XSRAID_ARRAY_MISPLACED" not in messages(fresh_dom0)


def test_an_array_in_use_under_another_node_is_left_there_and_told_of(fresh_dom0):
    array, sr = make_sr(fresh_dom0, name="md0")
    old_initrd(fresh_dom0, array, "md127")
    group = "VG_XenStorage-" + sr["sr_uuid"]
    fresh_dom0.run(
        f"lvcreate -q -y -L 8M -n disk {group} && exec 9<>/dev/{group}/disk; sleep 1000 <&9 "
        ">/dev/null 2>&1 & echo $! >/run/sleeper"
    )
    fresh_dom0.run("systemctl restart xsraid-assemble.service xsraid-attach.service")
    (again,) = fresh_dom0.call("list_arrays")["arrays"]
    assert again["device"] == "/dev/md127"
    assert again["sr"]["uuid"] == sr["sr_uuid"]
    assert attached(fresh_dom0) == "true"
    assert "/dev/md127 should be /dev/md0, but it is in use" in told(
        fresh_dom0, "XSRAID_ARRAY_MISPLACED"
    )
    fresh_dom0.run("kill $(cat /run/sleeper)")


def old_initrd(dom0, array, name):
    """Leave the array as an initrd without mdadm.conf does: under another node, its PBD not
    plugged.
    """
    dom0.run(
        f"xe pbd-unplug uuid=$(xe pbd-list --minimal) && mdadm --stop {array['device']} && udevadm "
        "settle && "
        f"mdadm --assemble --config=/dev/null /dev/{name} --uuid={array['uuid']} && udevadm settle"
    )
    assert [found["device"] for found in dom0.call("list_arrays")["arrays"]] == ["/dev/" + name]


def test_a_member_that_comes_after_the_wait_is_taken_in(fresh_dom0):
    """By xsraid: udev leaves alone what runs. One that had failed before is not."""
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    _, sr = make_sr(fresh_dom0)
    fresh_dom0.run("xe pbd-unplug uuid=$(xe pbd-list --minimal) && mdadm --stop /dev/md0")
    fresh_dom0.pull_disk("d1")
    fresh_dom0.run("systemctl restart xsraid-assemble.service")
    assert fresh_dom0.call("list_arrays")["arrays"][0]["health"] == "degraded"
    fresh_dom0.push_disks()
    fresh_dom0.run("systemctl restart xsraid-attach.service")
    again = settled(fresh_dom0)
    assert again["health"] == "optimal"
    assert again["sr"]["uuid"] == sr["sr_uuid"]
    assert attached(fresh_dom0) == "true"
    failed = fresh_dom0.disk("d1").device
    fresh_dom0.run(
        f"mdadm --manage /dev/md0 --fail {failed} && mdadm --manage /dev/md0 --remove {failed} && "
        "xe pbd-unplug uuid=$(xe pbd-list --minimal) && mdadm --stop /dev/md0"
    )
    fresh_dom0.run("systemctl restart xsraid-assemble.service xsraid-attach.service")
    assert fresh_dom0.call("list_arrays")["arrays"][0]["health"] == "degraded"
    assert attached(fresh_dom0) == "true"
    # Whether the monitor came to see which disk before the array was stopped.
    one_of = "XSRAID_DISK_FAILED", "XSRAID_ARRAY_DEGRADED"
    assert fresh_dom0.wait_until(
        lambda: [
            name for name in one_of if "No redundancy left" in messages(fresh_dom0).get(name, "")
        ]
    )


@pytest.mark.exhaustive
def test_a_member_that_comes_after_the_defaults_have_passed_is_taken_in(fresh_dom0):
    """In real time: udev's own timer starts the array 30 s after the other members came, before
    ours has passed.
    """
    _, sr = make_sr(fresh_dom0)
    fresh_dom0.run("rm -f /etc/xsraid.conf && sync")
    fresh_dom0.reboot(late={"d1": 40})
    (degraded,) = fresh_dom0.call("list_arrays")["arrays"]
    assert degraded["health"] == "degraded"
    assert attached(fresh_dom0) == "true"
    assert (
        "mdadm-last-resort@md0"
        in fresh_dom0.run("journalctl -b --no-pager -u 'mdadm-last-resort@*' -o verbose").out
    )
    fresh_dom0.wait_until(lambda: "d1" in fresh_dom0.disks())
    again = fresh_dom0.wait_until(
        lambda: [
            one for one in fresh_dom0.call("list_arrays")["arrays"] if one["health"] == "optimal"
        ]
    )
    assert again[0]["sr"]["uuid"] == sr["sr_uuid"]
    assert attached(fresh_dom0) == "true"


def test_an_upgrade_of_the_package_starts_and_plugs_nothing(fresh_dom0):
    """What an administrator has stopped or unplugged stays so; alerts and the hourly care go on."""
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    make_sr(fresh_dom0)
    other = fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d2", "d3"))[
        "array"
    ]
    settled(fresh_dom0, other["uuid"])
    pulled = fresh_dom0.disk("d3").device
    fresh_dom0.run(
        f"xe pbd-unplug uuid=$(xe pbd-list --minimal); mdadm --stop {other['device']} && wipefs "
        f"-qa {pulled} && udevadm settle"
    )
    package = fresh_dom0.run("ls /share/*.rpm").out.strip()
    fresh_dom0.run(
        f"rpm --upgrade --force --force-debian {package} && sleep 5 && systemctl is-active "
        "xsraid-care.timer xsraid-settings.path && "
        "! systemctl is-failed xsraid-assemble.service xsraid-attach.service"
    )
    health = {
        record["uuid"]: record["health"] for record in fresh_dom0.call("list_arrays")["arrays"]
    }
    assert health[other["uuid"]] == "missing"
    assert attached(fresh_dom0) == "false"


def test_a_rebuild_that_a_power_cut_interrupted_goes_on_without_a_write(fresh_dom0):
    """md waits with it for the first one: until then the array would be without redundancy, and say
    that it is degraded.
    """
    fresh_dom0.call(
        "create_array",
        level=10,
        devices=devices(fresh_dom0, "d0", "d1"),
        spares=devices(fresh_dom0, "d2"),
    )
    settled(fresh_dom0)
    failed = fresh_dom0.disk("d1")
    fresh_dom0.run("echo 3000 >/proc/sys/dev/raid/speed_limit_max")
    assert fresh_dom0.call("fail_disk", array="md0", disk=failed.device, confirm=failed.serial)[
        "array"
    ]["health"] in ("degraded", "rebuilding")
    fresh_dom0.wait_until(
        lambda: fresh_dom0.call("list_arrays")["arrays"][0]["health"] == "rebuilding"
    )
    fresh_dom0.run("sleep 1; sync")
    fresh_dom0.cut_power()
    fresh_dom0.boot()
    fresh_dom0.run("systemctl start xsraid-attach.service")
    assert fresh_dom0.call("list_arrays")["arrays"][0]["health"] in ("rebuilding", "optimal")
    assert settled(fresh_dom0)["health"] == "optimal"


def test_arrays_that_cannot_be_started_are_told_of_by_message_and_mail(fresh_dom0):
    configure(fresh_dom0)
    fresh_dom0.run("printf '[boot]\\nwait_s = 1\\n' >/etc/xsraid.conf")
    fresh_dom0.call("create_array", level=0, devices=devices(fresh_dom0, "d0", "d1"))
    lost = fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d2", "d3"))[
        "array"
    ]
    settled(fresh_dom0, "md1")
    half, gone = booted(fresh_dom0, disks=("d0",))
    assert (half["health"], gone["health"], gone["uuid"]) == ("inactive", "missing", lost["uuid"])
    for node in ("/dev/md0", "/dev/md1"):
        fresh_dom0.wait_for_mail(
            lambda mail, node=node: (
                mail.headers["Subject"]
                == f"[xsraid] XSRAID_ARRAY_MISSING: array missing, {node} on dom0"
            )
        )
    bodies = [
        message["body"]
        for message in fresh_dom0.xapi("message.get_all_records").values()
        if message["name"] == "XSRAID_ARRAY_MISSING"
    ]
    assert len(bodies) == 2
    assert all(any(node in body for body in bodies) for node in ("/dev/md0", "/dev/md1"))


def test_after_an_upgrade_from_iso_the_package_brings_everything_back(fresh_dom0):
    """The upgrade keeps /etc/mdadm.conf and XAPI's database and nothing else; the new dom0's initrd
    did not know the array.
    """
    reply = configure(fresh_dom0)
    array, sr = make_sr(fresh_dom0)
    kept = fresh_dom0.run("cat /etc/mdadm.conf").out
    fresh_dom0.run("xe pbd-unplug uuid=$(xe pbd-list --minimal)")
    package = fresh_dom0.run("ls /share/*.rpm").out.strip()
    fresh_dom0.run(
        "systemctl stop mdmonitor.service; systemctl disable mdmonitor.service; mdadm --stop "
        "/dev/md0"
    )
    fresh_dom0.run(
        "rpm --erase --force-debian xsraid && rm -rf /var/lib/xsraid /etc/xsraid.conf* && "
        "printf 'root=postmaster\\nmailhub=mail\\n' >/etc/ssmtp/ssmtp.conf && "
        "echo '# none' >/etc/ssmtp/revaliases"
    )
    assert (
        fresh_dom0.run(
            "find / -xdev -name '*xsraid*' -not -path '/proc/*' -not -path '/boot/*' -not -path "
            "'/share/*' -not -path '/bed/*' -not -path '/run/*' -not -path '/var/log/*' -not -path "
            "'/sys/*'"
        ).out
        == ""
    )
    fresh_dom0.run(
        f"rpm --install --force-debian {package} && systemctl start xsraid-attach.service"
    )
    (again,) = fresh_dom0.call("list_arrays")["arrays"]
    assert (again["device"], again["uuid"], again["sr"]["uuid"]) == (
        "/dev/md0",
        array["uuid"],
        sr["sr_uuid"],
    )
    assert attached(fresh_dom0) == "true"
    alerts = fresh_dom0.call("get_alerts")
    assert alerts["settings"] == reply["settings"]
    assert alerts["monitor"] == "running"
    assert fresh_dom0.run("cat /etc/mdadm.conf").out == kept
    assert fresh_dom0.call("test_alert")["deliveries"][0]["accepted"]
    assert [record["device"] for record in booted(fresh_dom0)] == ["/dev/md0"]
    assert attached(fresh_dom0) == "true"


def test_where_there_is_dracut_the_initrd_is_made_anew_in_the_background(fresh_dom0):
    script = (
        '#!/bin/sh\necho "$*" >>/run/dracut.log\nsleep 1\n[ ! -e /run/dracut-fails ] || exit '
        '1\ncat /etc/mdadm.conf >"$2"\n'
    )
    kernel = fresh_dom0.run(["uname", "-r"]).out.strip()
    image = f"/boot/initrd-{kernel}.img"
    fresh_dom0.run(
        f"cat >/usr/sbin/dracut && chmod 755 /usr/sbin/dracut && echo old >{image}", stdin=script
    )
    try:
        array = fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))[
            "array"
        ]
        fresh_dom0.wait_until(lambda: array["uuid"] in fresh_dom0.run(["cat", image]).out)
        assert fresh_dom0.run("cat /run/dracut.log").out == f"--force {image}.xsraid-new {kernel}\n"
        fresh_dom0.run("touch /run/dracut-fails")
        assert fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d2", "d3"))[
            "array"
        ]["configured"]
        fresh_dom0.wait_until(
            lambda: (
                "failed"
                in fresh_dom0.run("systemctl is-active xsraid-initrd.service", check=False).out
            )
        )
        assert array["uuid"] in fresh_dom0.run(["cat", image]).out, (
            "the old image stays until the new one is whole"
        )
        assert 'mdadmconf="yes"' in fresh_dom0.run("cat /etc/dracut.conf.d/xsraid.conf").out
        fresh_dom0.run(
            "systemctl mask --runtime xsraid-initrd.service; mdadm --stop /dev/md1; wipefs -a "
            "/dev/sd[cd]"
        )
        fresh_dom0.run("sed -i /md1/d /etc/mdadm.conf")
        warnings = fresh_dom0.call(
            "create_array", level=1, devices=devices(fresh_dom0, "d2", "d3")
        )["warnings"]
        assert any("initial RAM disk" in warning for warning in warnings)
    finally:
        fresh_dom0.run(
            f"rm -f /usr/sbin/dracut {image}* /run/dracut*; systemctl unmask --runtime "
            "xsraid-initrd.service; systemctl reset-failed"
        )


def test_an_sr_is_plugged_after_a_master_that_was_away_for_longer(fresh_dom0):
    """The unit gives up after a minute, here after two seconds; deliveries of alerts have it try
    again.
    """
    make_sr(fresh_dom0)
    limit = "sed -i 's/^XAPI_WAIT_S = {}$/XAPI_WAIT_S = {}/' /usr/share/xsraid/*/xsraid/units.py"
    is_active = "systemctl is-active xsraid-attach.service"
    fault = FAULTS + "/session.login_with_password.fail"
    fresh_dom0.run(
        "xe pbd-unplug uuid=$(xe pbd-list --minimal) && systemctl restart xsraid-assemble.service"
    )
    fresh_dom0.run(limit.format(60, 2) + f" && mkdir -p {FAULTS}")
    try:
        fresh_dom0.run(
            f"printf HOST_STILL_BOOTING >{fault}; ! systemctl restart xsraid-attach.service && "
            f"sleep 1; rm {fault}"
        )
        fresh_dom0.wait_until(lambda: attached(fresh_dom0) == "true")
        fresh_dom0.wait_until(lambda: fresh_dom0.run(is_active, check=False).out == "active\n")
    finally:
        fresh_dom0.run(limit.format(2, 60))
