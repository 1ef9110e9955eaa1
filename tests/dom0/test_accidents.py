"""Accidents: whatever happens in the middle, the error says it, and the machine is as it was or the
next call finishes the job.
"""

import pytest

from tests.dom0.steps import DISK_BYTES, configure, devices, one_of, refusal

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
FAULTS = "/run/xapi-faults"
PREFERRED_PYTHON = "3.6"


def state(dom0):
    """What a refused call must leave alone: the disks' content, arrays, and the files."""
    content = dom0.run(
        "sha256sum /dev/sd?; cat /proc/mdstat; head -c -0 /etc/mdadm.conf; ls -A "
        "/etc/*.xsraid-new; find /var/lib/xsraid -name '*ing-*'",
        check=False,
    ).out
    return content, dom0.call("list_arrays")


def wrap_mdadm(dom0, when, what):
    """Let mdadm do something else when it is called with the word `when`."""
    script = f'#!/bin/bash\ncase "$*" in *{when}*) {what} ;; esac\nexec /sbin/mdadm.real "$@"\n'
    dom0.run(
        "mv /sbin/mdadm /sbin/mdadm.real && cat >/sbin/mdadm && chmod 755 /sbin/mdadm", stdin=script
    )


@pytest.fixture
def real_mdadm_again(dom0):
    yield
    dom0.run("[ ! -e /sbin/mdadm.real ] || mv /sbin/mdadm.real /sbin/mdadm")


def create(dom0, *names):
    return {"level": 1, "devices": devices(dom0, *(names or ("d0", "d1")))}


def test_no_mdadm(fresh_dom0, real_mdadm_again):
    before = state(fresh_dom0)
    fresh_dom0.run("mv /sbin/mdadm /sbin/mdadm.real")
    details = refusal(fresh_dom0, "create_array", **create(fresh_dom0))
    assert details[0] == "XSRAID_COMMAND_FAILED"
    assert "there is no mdadm" in details[-1]
    assert "yum" in details[-1]
    fresh_dom0.run("mv /sbin/mdadm.real /sbin/mdadm")
    assert fresh_dom0.call("create_array", **create(fresh_dom0))["array"]["health"] in (
        "optimal",
        "resyncing",
    )
    assert before[1] == {"arrays": []}


def test_mdadm_fails_before_it_did_anything(fresh_dom0, real_mdadm_again):
    before = state(fresh_dom0)
    wrap_mdadm(fresh_dom0, "--create", 'echo "mdadm: device size too strange" >&2; exit 1')
    details = refusal(fresh_dom0, "create_array", **create(fresh_dom0))
    assert details[0] == "XSRAID_COMMAND_FAILED"
    assert details[2:4] == ["1", "mdadm: device size too strange"]
    assert state(fresh_dom0) == before


@pytest.mark.parametrize(
    "end,code", one_of(("exit 1", "XSRAID_COMMAND_FAILED"), ("sleep 100", "XSRAID_TIMEOUT"))
)
def test_mdadm_fails_or_hangs_after_it_made_the_array(fresh_dom0, real_mdadm_again, end, code):
    fresh_dom0.run(
        "printf '[mdadm]\\ntimeout_s = 5\\n' >/etc/xsraid.conf; echo '# mine' >/etc/mdadm.conf"
    )
    wrap_mdadm(fresh_dom0, "--create", f'/sbin/mdadm.real "$@"; {end}')
    assert refusal(fresh_dom0, "create_array", **create(fresh_dom0))[0] == code
    assert fresh_dom0.call("list_arrays") == {"arrays": []}
    assert (
        fresh_dom0.run("cat /etc/mdadm.conf; find /var/lib/xsraid -name '*ing-*'").out == "# mine\n"
    )
    disks = fresh_dom0.call("list_disks")["disks"]
    assert [
        disk["usable"] and not disk["stale"]
        for disk in disks
        if disk["device"].startswith("/dev/sd")
    ] == [True] * 4
    fresh_dom0.run("mv /sbin/mdadm.real /sbin/mdadm")
    assert fresh_dom0.call("create_array", **create(fresh_dom0))["array"]["device"] == "/dev/md0"


def test_a_disk_that_goes_between_listing_and_use(fresh_dom0, real_mdadm_again):
    asked = create(fresh_dom0, "d0", "d3")
    gone = asked["devices"][1]
    wrap_mdadm(
        fresh_dom0, "--create", f"echo 1 >/sys/block/{gone[5:]}/device/delete; udevadm settle"
    )
    details = refusal(fresh_dom0, "create_array", **asked)
    assert details[0] == "XSRAID_COMMAND_FAILED"
    assert gone in details[3]
    assert fresh_dom0.call("list_arrays") == {"arrays": []}
    assert fresh_dom0.run("find /var/lib/xsraid -name '*ing-*'").out == ""
    assert fresh_dom0.call("create_array", **create(fresh_dom0))["array"]["device"] == "/dev/md0"


def test_a_disk_that_is_pulled_is_unknown(fresh_dom0):
    device = fresh_dom0.pull_disk("d1").device
    assert refusal(
        fresh_dom0, "create_array", level=1, devices=[fresh_dom0.disk("d0").device, device]
    )[:2] == ["XSRAID_UNKNOWN_DISK", device]


def test_a_read_only_etc(fresh_dom0):
    before = state(fresh_dom0)
    fresh_dom0.run("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    try:
        assert refusal(fresh_dom0, "create_array", **create(fresh_dom0))[:3] == [
            "XSRAID_COMMAND_FAILED",
            "write /etc/mdadm.conf",
            "EROFS",
        ]
        details = refusal(
            fresh_dom0,
            "configure_alerts",
            mail_to="a@example.com",
            mail_from="b@example.com",
            smtp_host="smtp.example.com",
        )
        assert details[:3] == ["XSRAID_COMMAND_FAILED", "write /etc/ssmtp/ssmtp.conf", "EROFS"]
    finally:
        fresh_dom0.run("umount /etc")
    assert state(fresh_dom0) == before


def test_a_full_disk_leaves_the_old_configuration_whole(fresh_dom0):
    fresh_dom0.run(
        "mkdir -p /run/small && mount -t tmpfs -o size=64k tmpfs /run/small && echo '# mine' "
        ">/run/small/mdadm.conf && ln -s /run/small/mdadm.conf /etc/mdadm.conf"
    )
    try:
        before = state(fresh_dom0)
        fresh_dom0.run("cat /dev/zero >/run/small/fill", check=False)
        details = refusal(fresh_dom0, "create_array", **create(fresh_dom0))
        assert details[:3] == ["XSRAID_COMMAND_FAILED", "write /run/small/mdadm.conf", "ENOSPC"]
        assert "Make room" in details[-1]
        fresh_dom0.run("rm /run/small/fill")
        assert state(fresh_dom0) == before
        assert fresh_dom0.run("ls /run/small").out == "mdadm.conf\n"
    finally:
        fresh_dom0.run("umount /run/small; rm -f /etc/mdadm.conf")


def test_a_full_var_shows_before_a_disk_is_touched(fresh_dom0):
    fresh_dom0.run(
        "mount -t tmpfs -o size=16k,mode=700 tmpfs /var/lib/xsraid; cat /dev/zero "
        ">/var/lib/xsraid/fill",
        check=False,
    )
    try:
        before = state(fresh_dom0)
        details = refusal(fresh_dom0, "create_array", **create(fresh_dom0))
        assert details[0] == "XSRAID_COMMAND_FAILED"
        assert details[1].startswith("write /var/lib/xsraid/creating-")
        assert details[2] == "ENOSPC"
        assert state(fresh_dom0) == before
    finally:
        fresh_dom0.run("umount /var/lib/xsraid")
    assert fresh_dom0.call("create_array", **create(fresh_dom0))["array"]["device"] == "/dev/md0"


@pytest.mark.parametrize(
    "script",
    ["{offline}", '/sbin/mdadm.real "$@"; {offline}; exit 1'],
    ids=["before_its_superblock", "after_its_superblock"],
)
def test_a_disk_that_dies_during_create(fresh_dom0, real_mdadm_again, script):
    asked = create(fresh_dom0, "d0", "d1", "d2")
    dying = asked["devices"][1][5:]
    wrap_mdadm(
        fresh_dom0,
        "--create",
        script.format(offline=f"echo offline >/sys/block/{dying}/device/state"),
    )
    details = refusal(fresh_dom0, "create_array", **asked)
    assert details[0] == "XSRAID_COMMAND_FAILED", details
    assert details[1].startswith("mdadm --create"), details
    assert fresh_dom0.call("list_arrays") == {"arrays": []}
    fresh_dom0.run("mv /sbin/mdadm.real /sbin/mdadm")
    others = [device for device in asked["devices"] if device[5:] != dying]
    assert fresh_dom0.call("create_array", level=0, devices=others)["array"]["device"] == "/dev/md0"
    fresh_dom0.run(
        f"echo running >/sys/block/{dying}/device/state; udevadm settle; mdadm --stop /dev/md0; "
        f"wipefs -qa {' '.join(others)}"
    )
    fresh_dom0.run("rm /etc/mdadm.conf")
    assert fresh_dom0.call("create_array", **asked)["array"]["health"] in ("resyncing", "optimal")


def test_two_calls_at_once_make_one_array(fresh_dom0):
    members = ",".join(devices(fresh_dom0, "d0", "d1"))
    call = (
        f"xe host-call-plugin host-uuid={fresh_dom0.host_uuid} plugin=xsraid fn=create_array "
        f"args:level=1 args:devices={members}"
    )
    out = fresh_dom0.run(
        f"for n in 1 2 3; do {call} >/tmp/out.$n 2>&1 & done; wait; cat /tmp/out.*; rm /tmp/out.*"
    ).out
    assert out.count('"configured": true') == 1
    assert out.count("XSRAID_BUSY") + out.count("XSRAID_DISK_IN_USE") == 2
    assert len(fresh_dom0.call("list_arrays")["arrays"]) == 1


def test_a_killed_call_is_taken_back_by_the_next(fresh_dom0, real_mdadm_again):
    """Killed right after mdadm made the array: no line in mdadm.conf names it yet."""
    wrap_mdadm(fresh_dom0, "--create", '/sbin/mdadm.real "$@"; kill -9 $PPID; sleep 1; exit 0')
    assert refusal(fresh_dom0, "create_array", **create(fresh_dom0))[0] == "XENAPI_PLUGIN_FAILURE"
    fresh_dom0.run("mv /sbin/mdadm.real /sbin/mdadm; sleep 1")
    (half,) = fresh_dom0.call("list_arrays")["arrays"]
    assert not half["configured"]
    whole = fresh_dom0.call("create_array", **create(fresh_dom0))["array"]
    assert [array["uuid"] for array in fresh_dom0.call("list_arrays")["arrays"]] == [whole["uuid"]]
    assert whole["uuid"] != half["uuid"]
    assert fresh_dom0.run("find /var/lib/xsraid -name '*ing-*'").out == ""


def test_xapi_dies_before_create_sr_took_effect(fresh_dom0):
    fresh_dom0.call("create_array", **create(fresh_dom0))
    break_xapi(fresh_dom0, "SR.create.die")
    assert "md0" in finish_sr(fresh_dom0, created=True)["SR"]["name_label"]


def test_xapi_dies_after_create_sr_took_effect(fresh_dom0):
    """The SR is there but untagged: the repeat recognises its PBD and finishes."""
    array = fresh_dom0.call("create_array", **create(fresh_dom0))["array"]
    break_xapi(fresh_dom0, "SR.create.die-after")
    assert (
        finish_sr(fresh_dom0, created=False)["SR"]["other_config"]["xsraid-array"] == array["uuid"]
    )


def break_xapi(dom0, fault):
    """Let XAPI die in the middle of create_sr; the plugin, run by hand as XAPI would, must say so
    in its reply.
    """
    dom0.run(f"mkdir -p {FAULTS} && touch {FAULTS}/{fault}")
    reply = dom0.run(
        ["/usr/bin/python3.11", "/bed/dom0/guest/plugin_by_hand.py", "create_sr", "array=md0"]
    ).out
    assert "XSRAID_XAPI_GONE" in reply
    assert "Repeat the call" in reply
    dom0.run("systemctl restart xapi.service")
    dom0.wait_until_xapi()


def finish_sr(dom0, created):
    reply = dom0.call("create_sr", array="md0")
    assert reply["created"] is created
    assert dom0.call("create_sr", array="md0") == dict(reply, created=False)
    assert len(dom0.xe("sr-list --minimal").strip().split(",")) == 1
    return {"SR": dom0.xapi("SR.get_record", dom0.xapi("SR.get_by_uuid", reply["sr_uuid"]))}


def test_the_storage_managers_refusal_passes_through_with_its_own_code(fresh_dom0):
    fresh_dom0.call("create_array", **create(fresh_dom0))
    fresh_dom0.run(f"mkdir -p {FAULTS} && echo 5 >{FAULTS}/sm.run.vgcreate.fail.once")
    details = refusal(fresh_dom0, "create_sr", array="md0")
    assert details[0] == "SR_BACKEND_FAILURE_77", details
    assert fresh_dom0.xe("sr-list --minimal").strip() == ""
    assert fresh_dom0.call("create_sr", array="md0", wipe=True)["created"]


def test_no_hook_no_test_event(fresh_dom0):
    """A test alert is mdadm's own event: when that is not made, nothing is claimed to have been
    accepted.
    """
    configure(fresh_dom0)
    fresh_dom0.call("create_array", **create(fresh_dom0))
    fresh_dom0.run("mv /usr/libexec/xsraid/event-hook /usr/libexec/xsraid/away")
    try:
        details = refusal(fresh_dom0, "test_alert", timeout_s=4)
    finally:
        fresh_dom0.run("mv /usr/libexec/xsraid/away /usr/libexec/xsraid/event-hook")
    assert details[:2] == ["XSRAID_MAIL_REJECTED", "no test event of mdadm came through in time"]
    assert fresh_dom0.mails() == []
