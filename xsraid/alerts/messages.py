"""Pure: the words of an alert, for the person who gets it at night. Subject and XAPI message are
one line each, the mail says all that is known.
"""

from __future__ import absolute_import

import time

from xsraid.states import Health
from xsraid.text import printable

WHAT = {  # the subject's words, and the first sentence of the body
    "XSRAID_DISK_FAILED": (
        "disk %(disk)s failed",
        "The disk %(disk)s of array %(array)s has failed.",
    ),
    "XSRAID_ARRAY_DEGRADED": (
        "array degraded",
        "The array %(array)s runs with fewer disks than it should.",
    ),
    "XSRAID_ARRAY_FAILED": (
        "array FAILED",
        "The array %(array)s has failed: too many of its disks, or its journal, are gone; it "
        "cannot be used.",
    ),
    "XSRAID_ARRAY_MISSING": (
        "array missing",
        "The array %(array)s is configured, but it is not running.",
    ),
    "XSRAID_ARRAY_MISPLACED": ("array under another name", "%(meaning)s"),
    "XSRAID_ARRAY_FROZEN": (
        "array frozen",
        "All rebuilding and checking on the array %(array)s has been stopped for more than ten "
        "minutes (%(kept)s): a disk that fails now is not replaced by a spare.",
    ),
    "XSRAID_ARRAY_DIVERGED": ("array in two versions", "%(meaning)s"),
    "XSRAID_DISK_WEAK": (
        "disk %(disk)s is likely to fail",
        "The disk %(disk)s of array %(array)s still serves, but SMART tells: %(meaning)s.",
    ),
    "XSRAID_CHECK_OVERDUE": (
        "check overdue",
        "The array %(array)s is whole, but %(meaning)s. Errors that nobody has noticed yet show "
        "when one of its disks fails.",
    ),
    "XSRAID_MONITOR_DOWN": (
        "mdadm's monitor does not run",
        "mdadm's monitor is not running and cannot be started: faults are reported within an "
        "hour only.",
    ),
    "XSRAID_MONITOR_BACK": (
        "mdadm's monitor runs again",
        "mdadm's monitor is running again: faults are reported at once.",
    ),
    "XSRAID_REBUILD_FINISHED": (
        "array whole again",
        "The array %(array)s has all its disks again.",
    ),
    "XSRAID_SPARE_MISSING": (
        "spare missing",
        "The array %(array)s has fewer spares than its line in /etc/mdadm.conf asks for.",
    ),
    "XSRAID_MISMATCHES": (
        "check found mismatches",
        "A check of the array %(array)s found %(mismatches)s sectors on which its disks do not "
        "agree, or that one could not read.",
    ),
    "XSRAID_TEST": (
        "test alert",
        "This is a test. mdadm made a test event for the array %(array)s.",
    ),
}
NEXT = {
    "XSRAID_DISK_FAILED": "Put a new disk in, then: %(call)s fn=replace_disk args:array=%(node)s "
    "args:disk=%(disk_path)s "
    "args:new_disk=/dev/disk/by-id/<new disk>",
    "XSRAID_DISK_WEAK": "Replace it while it serves: %(call)s fn=replace_disk "
    "args:array=%(node)s args:disk=%(disk_path)s "
    "args:new_disk=/dev/disk/by-id/<new disk>",
    "XSRAID_ARRAY_DEGRADED": "See which disk is missing: %(call)s fn=list_arrays",
    "XSRAID_ARRAY_FAILED": "Shut down what runs on it and write nothing. Then see which disks are "
    "gone: %(call)s fn=list_arrays",
    "XSRAID_ARRAY_MISSING": "See which disks are there: %(call)s fn=list_arrays; when all are: "
    "mdadm --assemble --scan --no-degraded",
    "XSRAID_ARRAY_DIVERGED": "Shut down what runs on it and write nothing until you have chosen. "
    "See what there is: %(call)s fn=list_arrays",
    "XSRAID_ARRAY_MISPLACED": "It works nevertheless: its storage repository names another path. "
    "Reboot when convenient.",
    "XSRAID_ARRAY_FROZEN": "Unless somebody is working on it with mdadm: %(let_go)s",
    "XSRAID_CHECK_OVERDUE": "Check it now: %(call)s fn=check_array args:array=%(node)s; or set "
    "other hours in /etc/xsraid.conf ([check] hours).",
    "XSRAID_MONITOR_DOWN": "See why: systemctl status mdmonitor.service",
    "XSRAID_SPARE_MISSING": "Add one: %(call)s fn=add_disk args:array=%(node)s "
    "args:disk=/dev/disk/by-id/<new disk>",
    "XSRAID_MISMATCHES": "See /sys/block/%(node)s/md/mismatch_cnt; on RAID1 and RAID10 with swap "
    "on them some may be harmless.",
}
LET_GO = {
    "frozen": "echo idle > /sys/block/%s/md/sync_action",
    "sync_max": "echo max > /sys/block/%s/md/sync_max",
}
CALL = "xe host-call-plugin host-uuid=%s plugin=xsraid"


def subject(alert, facts):
    """Return the subject: stable at its beginning, for filters."""
    values = _values(alert, facts)
    again = "still: " if alert["is_reminder"] else ""
    return _line(
        "[xsraid] %s: %s%s, %s on %s"
        % (alert["name"], again, WHAT[alert["name"]][0] % values, values["array"], facts["host"])
    )


def short(alert, facts):
    """Return the body of XAPI's message: a line or two."""
    values = _values(alert, facts)
    parts = [WHAT[alert["name"]][1] % values] + _absent(alert, facts) + _redundancy(alert, facts)
    return _line(
        " ".join(parts + ([NEXT[alert["name"]] % values] if alert["name"] in NEXT else []))
    )


def body(alert, facts):
    """Return the mail's text.

    facts: {"host", "host_uuid", "pool", "record", "member", "absent", "sr", "vm_count", "smart",
    "mdstat"}, what is not known None.
    """
    values, record, member = _values(alert, facts), facts["record"], facts["member"]
    lines = [WHAT[alert["name"]][1] % values] + _absent(alert, facts) + _redundancy(alert, facts)
    if alert["is_reminder"]:
        lines.append("This is a reminder, sent once a day until it is repaired.")
    if alert["folded"]:
        lines.append("%d more alerts of this array were combined into this one." % alert["folded"])
    lines += [
        "",
        _row("since", _date(alert["time"])),
        _row("host", facts["host"]),
        _row("pool", facts["pool"]),
        _row(
            "array",
            "%s, %s, %s" % (values["array"], record.level or "level not known", record.health)
            if record
            else values["array"],
        ),
    ]
    if facts["sr"]:
        vms = "" if facts["vm_count"] is None else ", disks of %d VMs on it" % facts["vm_count"]
        lines.append(
            _row("SR", "%s (%s)%s" % (facts["sr"]["name_label"], facts["sr"]["uuid"], vms))
        )
    if member:
        lines += [
            _row("disk", member["device"]),
            _row("model", member["model"]),
            _row("serial", member["serial"]),
            _row("slot", member["slot"]),
            _row("path", member["by_id"]),
            _row("SMART", facts["smart"]),
        ]
    if alert["name"] in NEXT:
        lines += ["", "What to do:", "    " + NEXT[alert["name"]] % values]
    elif alert["name"] in ("XSRAID_TEST", "XSRAID_REBUILD_FINISHED", "XSRAID_MONITOR_BACK"):
        lines += ["", "Nothing needs to be done."]
    if facts["mdstat"]:
        lines += ["", "/proc/mdstat:"] + ["    " + line.strip() for line in facts["mdstat"]]
    return (
        "\n".join(printable(line).replace("\n", " ") for line in lines if line is not None) + "\n"
    )


def mdstat_lines(mdstat, device):
    """Return the lines of /proc/mdstat on one array."""
    name, lines = device.rsplit("/", 1)[-1], []
    for line in mdstat.splitlines():
        if line.startswith(name + " :") or lines and line.startswith(" "):
            lines.append(line)
        elif lines:
            break
    return lines


def _values(alert, facts):
    record = facts["record"]
    member = facts["member"] or {}
    is_held = record is not None and record.sync_held and not record.frozen
    node = alert["device"].rsplit("/", 1)[-1]
    kept = "sync_max" if is_held else "frozen"
    return {
        "array": alert["device"],
        "node": node,
        "disk": alert["component"] or "(not named)",
        # A letter may be another disk's after a reboot.
        "disk_path": member.get("path") or member.get("by_id") or alert["component"],
        "meaning": alert.get("meaning"),
        "kept": kept,
        "let_go": LET_GO[kept] % node,
        "call": CALL % (facts["host_uuid"] or "<uuid>"),
        "mismatches": record.mismatch_count if record else "some",
    }


def _absent(alert, facts):
    """Return [sentence] on each member that an array runs without, as it was last seen, for alerts
    that do not name one.
    """
    if alert["name"] not in ("XSRAID_ARRAY_DEGRADED", "XSRAID_ARRAY_FAILED") or alert["component"]:
        return []
    return [
        "It is without the disk of slot %s: %s." % (member["slot"], _named(member))
        for member in facts["absent"] or []
    ]


def _named(member):
    """Return what a disk is known by wherever it is now: not its node, which a boot may give to
    another.
    """
    serial = "serial number " + member["serial"] if member.get("serial") else None
    parts = [part for part in (member.get("model"), serial, member.get("by_id")) if part]
    return ", ".join(parts) or "it was %s when it was last seen" % member["device"]


def _redundancy(alert, facts):
    """Return [sentence] on what is left, for alerts that something is wrong."""
    record = facts["record"]
    if (
        alert["name"] not in ("XSRAID_DISK_FAILED", "XSRAID_ARRAY_DEGRADED")
        or not record
        or record.health in (Health.FAILED, Health.CONTAINER)
    ):
        return []
    left = record.redundancy_left
    if left == 0:
        return ["No redundancy left: one more failure loses data."]
    return [
        "It survives %s for certain."
        % ("one more failure of any disk" if left == 1 else "%d more failures" % left)
    ]


def _row(name, value):
    return None if value is None else "    %-7s %s" % (name, value)


def _date(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _line(text):
    return " ".join(printable(text).split())
