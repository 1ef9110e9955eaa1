#!/usr/bin/python3.11
"""Makes calls of the plugin, one after the other, and tells what the kernel had of arrays before
and after, and what else there is to see.

stdin: JSON [[function, arguments], ...]. stdout: JSON {"replies": [parsed reply or [code,
parameters ...]], "kernel": [before, after], "disks": {name: [device, serial, by-id link]},
"messages": [[name, body]], "plugged": {uuid of an SR on this host: whether it is plugged},
"mdadm.conf": text}. kernel: {mdN: {attribute of md: text, "members": {device: [slot or null,
state]}}}.
"""

import glob
import json
import os
import sys

import XenAPI
from scsi_disks import list_disks

ATTRIBUTES = ("level", "array_state", "raid_disks", "sync_action", "resync_start", "uuid")


def attribute(path):
    """Return a sysfs attribute, None when it is not there."""
    try:
        with open(path) as attribute_file:
            return attribute_file.read().strip()
    except OSError:
        return None


def arrays():
    """Return what the kernel has of each array that is there."""
    found = {}
    for folder in sorted(glob.glob("/sys/block/md*/md")):
        state = attribute(folder + "/array_state")
        if state not in (None, "clear"):
            found[folder.split("/")[3]] = dict(
                {name: attribute(f"{folder}/{name}") for name in ATTRIBUTES},
                members=dict(members(folder)),
            )
    return found


def members(folder):
    """Yield each member of an array, and its slot and state in words of our own."""
    for path in sorted(glob.glob(folder + "/dev-*")):
        flags, slot = (attribute(path + "/state") or "").split(","), attribute(path + "/slot") or ""
        slot = int(slot) if slot.isdigit() else None
        usual = "active" if "in_sync" in flags else "spare" if slot is None else "filling"
        state = next((flag for flag in ("faulty", "journal") if flag in flags), usual)
        if flags != [""]:
            yield "/dev/" + os.path.basename(path)[len("dev-") :], [slot, state]


def call(session, host, function, arguments):
    """Return the parsed reply of a call, or the details of its failure."""
    try:
        return json.loads(session.xenapi.host.call_plugin(host, "xsraid", function, arguments))
    except XenAPI.Failure as failure:
        return failure.details


def main():
    session = XenAPI.xapi_local()
    session.xenapi.login_with_password("root", "", "1.0", "miniature dom0")
    (host,) = session.xenapi.host.get_all()
    before = arrays()
    replies = [
        call(session, host, function, arguments) for function, arguments in json.load(sys.stdin)
    ]
    kernel = [before, arrays()]
    srs = session.xenapi.SR.get_all_records()
    with open("/etc/mdadm.conf") as configuration:
        json.dump(
            {
                "replies": replies,
                "kernel": kernel,
                "disks": {
                    name: [device, serial, link] for name, device, serial, link, _ in list_disks()
                },
                "messages": [
                    [message["name"], message["body"]]
                    for message in session.xenapi.message.get_all_records().values()
                ],
                "plugged": {
                    srs[pbd["SR"]]["uuid"]: pbd["currently_attached"]
                    for pbd in session.xenapi.PBD.get_all_records().values()
                },
                "mdadm.conf": configuration.read(),
            },
            sys.stdout,
        )
    session.xenapi.session.logout()


if __name__ == "__main__":
    main()
