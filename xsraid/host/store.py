"""Notes on what is being done to this host, in /var/lib/xsraid: written before it is done, so that
a later call or boot finishes it or takes it back.

A note is a small file of JSON, `KIND-KEY` or `KIND`; the kinds are below, each with its facts.
"""

from __future__ import absolute_import

import json
import re

from xsraid.host.files import STATE_DIR
from xsraid.text import bare_uuid, natively

# -- of one array, with its uuid as KEY --
# It is being created: {"node", "request", "commands", "unused_bytes", "is_made": whether mdadm made
# it and it is empty, "is_held", "events": as for DELETING}.
CREATING = "creating"
# It is being deleted: {"request", "array": {"device", "name"}, "is_held": whether it was made
# read-only, "events": the count of each member when it was stopped}.
DELETING = "deleting"
DELETED = "deleted"  # the facts of DELETING, with "disks": those that were cleared, and "time"
# Its SR has not yet taken the new room: {"sr": uuid, "size_bytes": the SR's before, "tries"}.
GROWING = "growing"
# Its parity is to be repaired once its reshape has ended: {"boot": the sysfs.boot_id in which the
# repair began, once it has}, see `resync.part_from_reshape`.
RESHAPED = "reshaped"
REGISTERING = "registering"  # an SR is being made on it: {"groups": [volume group of the SR]}

# -- of a LED that is on, with 32 random digits as KEY: {"way", "light", "was", "until"} --
IDENTIFYING = "identifying"

# -- without a KEY --
ALARMS = "alarms"  # Xen Orchestra's: {uuid of the array: {"message": uuid, "text": what it says}}
ALERTS = "alerts"  # {"applied": the alert settings that this host has}
# What the units of a boot have to do still: {"before": {uuid: [superblocks.packed] before members
# were taken in}, "left": [(uuid, why it is not at its node)], "conflicts": {uuid: why its SR is not
# plugged}, until the SRs are, "awaited": {uuid: what it awaits}, "chosen": uuids of those that
# somebody started}.
BOOT = "boot"
# What `actions.check` has seen. disks: {sysfs.disk_key: {"seen": of `smart.examine`, "time",
# "told"}}; arrays: {uuid: {"since": when it was first seen or last checked, "done": when it was
# last checked, "found": the mismatches that this check found, "at": how far a check that was paused
# is, in sectors, "is_running", "is_asked": whether somebody began one, at "begun",
# "is_overdue_told"}}; left_to.
CARE = "care"
# Arrays that were reported as being in two versions: {uuid: {"boot": id of the boot, "time"}}.
DIVERGED = "diverged"
MAIL_LOGIN = "mail_login"  # was refused: {"time", "settings", "response", "advice"}
MONITOR_DOWN = "monitor_down"  # it was reported that mdadm's monitor cannot run: {"time"}
NAMES = "names"  # what XAPI knew last for the text of alerts, see `deliver`
# What `actions.parts` has seen: {uuid: {"members": what each active one is known by, "blocks":
# [superblocks.packed], "names": what leads to them in another boot, too, "slots": {slot: {"device",
# "serial", "by_id"} of what served there last}}}.
RAN_FROM = "ran_from"
TASKS = "tasks"  # of XAPI, that follow a sync action: {uuid of the array: {"ref", "action"}}
WEBHOOK = "webhook"  # what is configured: {"urls", "header", "token", "time"}


def write(host, kind, facts, uuid=""):
    """Write a note, on disk when this returns. facts: a dict that JSON can hold. Raises
    CommandFailed.
    """
    host.replace(path(kind, uuid), json.dumps(facts, sort_keys=True) + "\n", 0o600)


def read(host, kind, uuid=""):
    """Return a note's facts, None when there is none. One that cannot be understood has no facts:
    {}.
    """
    text = host.read_if_there(path(kind, uuid))
    if text is None:
        return None
    try:
        facts = json.loads(text)
    except ValueError:
        return {}
    return natively(facts) if isinstance(facts, dict) else {}


def remove(host, kind, uuid=""):
    """Remove a note if there is one."""
    host.remove(path(kind, uuid))


def uuids(host, kind):
    """Return the 32 digits that are the keys of all notes of a kind."""
    return [
        name[-32:] for name in host.names(STATE_DIR) if re.match(kind + r"-[0-9a-f]{32}\Z", name)
    ]


def path(kind, uuid=""):
    """Return the path of a note."""
    return "%s/%s%s" % (STATE_DIR, kind, "-" + bare_uuid(uuid) if uuid else "")
