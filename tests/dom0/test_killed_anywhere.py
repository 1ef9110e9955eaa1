"""The plugin is killed at each of its steps, and XAPI in the middle of its own: the same call again
succeeds, and the end is that of a call which nobody disturbed. Which steps there are is found out
by the tests themselves (guest/boundaries).
"""

import difflib
import json
import re
from itertools import zip_longest

import pytest

from tests.dom0.dom0 import SMTP_PASSWORD, SMTP_USER
from tests.dom0.steps import ALERTS, configure, devices, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2"), "disk_bytes": 24 << 20}
PREFERRED_PYTHON = "2.7"
pytestmark = pytest.mark.exhaustive
KILLED = ["XENAPI_PLUGIN_FAILURE", "signal: SIGKILL"]
GONE = ["XSRAID_XAPI_GONE"]
COUNTER = "/bed/dom0/guest/boundaries"


@pytest.fixture
def counted_dom0(fresh_dom0):
    """A fresh dom0 whose Python counts the plugin's steps, and in which udev does not start the
    monitor, at a moment that is different each time.
    """
    site_packages = (
        "/opt/site-packages"
        if fresh_dom0.python.home
        else "/usr/local/lib/python3.11/dist-packages"
    )
    fresh_dom0.run(
        f"rm -rf /run/boundaries; cp {COUNTER}/boundaries.* {site_packages}; mkdir -p "
        "/etc/udev/rules.d; "
        "cat >/etc/udev/rules.d/99-no-monitor.rules; udevadm control --reload",
        stdin='SUBSYSTEM=="block", KERNEL=="md*", ENV{SYSTEMD_WANTS}=""\n',
    )
    return fresh_dom0


def array_on_stale_disks(dom0):
    """Alerts are configured, two of three disks carry a file system: create_array wipes, creates,
    and starts the monitor.
    """
    members = devices(dom0, "d0", "d1", "d2")
    configure(dom0)
    dom0.run(f"mkfs.ext4 -q {members[0]} && mkfs.ext4 -q {members[2]}")
    arguments = {
        "level": "1",
        "devices": ",".join(members[:2]),
        "spares": members[2],
        "wipe": "true",
    }
    return {
        "arguments": arguments,
        "tells": ["array.uuid", "array.device", "array.configured", "warnings"],
        "devices": members,
    }


def alerts_with_an_array(dom0):
    """An array is there, so that the monitor is started."""
    dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"))
    settled(dom0)
    secret = dom0.xe("secret-create value=" + SMTP_PASSWORD).strip()
    arguments = {**ALERTS, "smtp_user": SMTP_USER, "smtp_password_secret": secret}
    return {"arguments": arguments, "tells": ["settings", "monitor", "warnings"], "devices": []}


def sr_beside_a_volume_group(dom0):
    """An array for the SR, and a volume group on a disk beside it that is nobody's business."""
    dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"))
    (other,) = devices(dom0, "d2")
    dom0.run(f"vgcreate -q other {other} && lvcreate -q -y -L 4M -n data other")
    settled(dom0)
    return {"arguments": {"array": "md0"}, "tells": ["sr_uuid", "device"], "devices": ["/dev/md0"]}


def an_array_of_two(dom0):
    """An array on disks that carry nothing else."""
    members = devices(dom0, "d0", "d1")
    dom0.call("create_array", level=1, devices=members)
    settled(dom0)
    return {
        "arguments": {"array": "md0", "confirm": "md0"},
        "tells": ["deleted", "disks"],
        "devices": members,
    }


# What is there before the call, and what must be among its steps, so that the test cannot pass by
# counting nothing.
CALLS = {
    "create_array": (
        array_on_stale_disks,
        [
            r"command \S+/wipefs -a /dev/\w+",
            r"command \S+/mdadm .*--create",
            r"rename \S+ /var/lib/xsraid/creating-\w+",
            r"rename \S+ /etc/mdadm.conf",
            r"unlink /var/lib/xsraid/creating-\w+",
            r"command \S+/systemctl start mdmonitor.service",
            "reply",
        ],
    ),
    "configure_alerts": (
        alerts_with_an_array,
        [
            r"rename \S+ /etc/ssmtp/ssmtp.conf",
            r"rename \S+ /etc/ssmtp/revaliases",
            r"rename \S+ /etc/mdadm.conf",
            r"request host\.add_to_other_config",
            r"command \S+/systemctl enable mdmonitor.service",
            r"command \S+/systemctl restart mdmonitor.service",
            "reply",
        ],
    ),
    "create_sr": (
        sr_beside_a_volume_group,
        [r"request SR\.create", r"request SR\.add_to_other_config xsraid-array", "reply"],
    ),
    "delete_array": (
        an_array_of_two,
        [
            r"rename \S+ /var/lib/xsraid/deleting-\w+",
            r"command \S+/mdadm --readonly",
            r"command \S+/mdadm --stop",
            r"rename \S+ /etc/mdadm.conf",
            r"command \S+/mdadm --zero-superblock",
            r"rename \S+ /var/lib/xsraid/deleted-\w+",
            "reply",
        ],
    ),
}
# Fault files that are there at once, and the failures of the calls until one succeeds.
FAULTS = {
    # XAPI's records, nothing on the array.
    ("sm.sr_create.die",): [GONE],
    ("sm.run.vgcreate.die",): [GONE],  # the records and a physical volume
    ("sm.sr_create.die-after",): [GONE],  # the records and a volume group
    # And XAPI cannot plug it when it is back.
    ("sm.sr_create.die-after", "sm.sr_attach.fail.once", "PBD.plug.die"): [GONE, GONE],
    # All of it, but not seen to be plugged.
    ("sm.sr_attach.die-after",): [GONE],
    ("sm.run.vgcreate.fail.once",): [["SR_BACKEND_FAILURE_77"]],  # a physical volume
    ("sm.run.vgchange.fail.once",): [["SR_BACKEND_FAILURE_53"]],  # a volume group
}


def try_each(dom0, wish):
    """Return what guest/boundaries/try_each.py tells of a wish."""
    return json.loads(
        dom0.run(
            ["/usr/bin/python3.11", COUNTER + "/try_each.py"], stdin=json.dumps(wish), timeout_s=550
        ).out
    )


def assert_among(patterns, steps):
    assert [
        pattern for pattern in patterns if not any(re.match(pattern, step) for step in steps)
    ] == [], steps


def assert_all_came_to_the_same_end(found, wanted_failures):
    """wanted_failures: for each trial the first words of the failures before the call that
    succeeds.
    """
    assert found["trials"]
    complaints = [
        complaint(trial, failures, found["end"])
        for trial, failures in zip(found["trials"], wanted_failures, strict=True)
    ]
    assert not any(complaints), f"{sum(map(bool, complaints))} of {len(complaints)}:\n" + "\n".join(
        filter(None, complaints)
    )


def complaint(trial, wanted_failures, wanted_end):
    """Return what is wrong with the outcome of one trial, "" if nothing is."""
    lines = []
    if [
        failure[: len(wanted)]
        for failure, wanted in zip_longest(trial["failures"], wanted_failures, fillvalue=[])
    ] != wanted_failures:
        lines += ["failed with " + " ".join(failure) for failure in trial["failures"]]
    elif "end" in trial:
        lines += difflib.unified_diff(
            wanted_end.splitlines(),
            trial["end"].splitlines(),
            "undisturbed",
            "disturbed",
            lineterm="",
            n=2,
        )
    if "missed" in trial:
        lines.append(f"came to {trial['missed']} instead")
    return "\n    ".join([trial["name"], *lines]) if lines else ""


@pytest.mark.parametrize("function", CALLS)
def test_killed_at_each_step(counted_dom0, function):
    prepare, patterns = CALLS[function]
    found = try_each(counted_dom0, {"function": function, **prepare(counted_dom0)})
    assert_among(patterns, found["steps"])
    assert_all_came_to_the_same_end(found, [[KILLED]] * len(found["trials"]))


def test_killed_while_another_call_is_taken_back(counted_dom0):
    """A RAID1 was left unfinished; while a RAID0 on its disks takes it back, that call is killed as
    well.
    """
    members = devices(counted_dom0, "d0", "d1")
    raid0, raid1 = [{"level": level, "devices": ",".join(members)} for level in "01"]
    found = try_each(
        counted_dom0,
        {
            "function": "create_array",
            "arguments": raid0,
            "tells": ["array.uuid", "array.device"],
            "devices": members,
            "unfinished": {"arguments": raid1, "step": r"rename \S+ /etc/mdadm.conf"},
        },
    )
    undone = [
        r"command \S+/mdadm --stop /dev/md",
        r"command \S+/mdadm --zero-superblock /dev/sd",
        r"unlink /var/lib/xsraid/creating-\w+",
    ]
    assert_among(undone, found["steps"])
    assert_all_came_to_the_same_end(found, [[KILLED]] * len(found["trials"]))


def test_xapi_dies_or_fails_in_the_middle(counted_dom0):
    found = try_each(
        counted_dom0,
        {"function": "create_sr", **sr_beside_a_volume_group(counted_dom0), "faults": list(FAULTS)},
    )
    assert_all_came_to_the_same_end(found, list(FAULTS.values()))


def test_each_kind_of_step_is_counted(counted_dom0):
    """In the plugin, and nowhere else."""
    kinds = {
        "os.mkdir('/srv/a')": "mkdir",
        "os.chmod('/srv/a', 448)": "chmod",
        "os.symlink('x', '/srv/a/l')": "symlink",
        "open('/srv/a/f', 'w').close()": "open",
        "io.open('/srv/a/f', mode='a').close()": "open",
        "open('/srv/a/f').close()": None,
        "os.close(os.open('/srv/a/f', os.O_RDWR))": "open",
        "os.close(os.open('/srv/a/f', os.O_RDONLY))": None,
        "open('/tmp/f', 'w').close()": None,
        "os.remove('/tmp/f')": None,
        "open('/run/tmpx', 'w').close()": None,
        "open('/run/x', 'w').close()": "open",
        "open('/dev/null', 'w').close()": None,
        "os.rename('/srv/a/f', '/srv/a/g')": "rename",
        "os.remove('/srv/a/g')": "remove",
        "os.unlink('/srv/a/l')": "unlink",
        "os.rmdir('/srv/a')": "rmdir",
        "subprocess.call(['true', '1'])": "command",
        "subprocess.call(['wipefs', '-n', '/dev/sda'])": None,
        "subprocess.call(['udevadm', 'settle'])": None,
    }
    script = "; ".join(["import io, os, subprocess", *kinds])
    python = [counted_dom0.python.command, "-c", script]
    counted_dom0.run("mkdir /run/boundaries")
    counted_dom0.run(python)
    assert counted_dom0.run("ls /run/boundaries").out == ""
    counted_dom0.run([*python, "/etc/xapi.d/plugins/xsraid"])
    log = [
        json.loads(line)["kind"]
        for line in counted_dom0.run(
            "cat /run/boundaries/log; rm -r /run/boundaries"
        ).out.splitlines()
    ]
    assert log == [kind for kind in kinds.values() if kind]
