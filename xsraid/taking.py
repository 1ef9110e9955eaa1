"""Taking disks for an array: refusing those that must not be taken, and in the last moment before mdadm claiming them and clearing what is stale."""

from __future__ import absolute_import

import errno
import os
import syslog

from xsraid import probe, sysfs, usage
from xsraid.commands import run
from xsraid.errors import DiskInUse, StaleData, UnknownDisk
from xsraid.text import command_line


def refuse_used(chosen, wipe):
    """Raise DiskInUse for a judged disk that may not be used, StaleData for what is left on one unless that is given up. wipe: whether it is."""
    for disk in chosen:
        if disk["refusals"]:
            raise DiskInUse(disk["device"], disk["refusals"][0]["reason"], usage.in_words(disk["refusals"]))
    stale = [(disk["device"], usage.stale_in_words(disk["stale"])) for disk in chosen if disk["stale"]]
    if stale and not wipe:
        raise StaleData(stale)


def claim(host, chosen):
    """Make sure that at this moment nobody holds any of the disks: all are held at once, then let go for mdadm. Raises DiskInUse, UnknownDisk."""
    held = []
    try:
        for disk in chosen:
            try:
                held.append(os.open(host.path(disk["device"]), os.O_RDONLY | os.O_EXCL))
            except EnvironmentError as error:
                if error.errno == errno.EBUSY:
                    raise DiskInUse(disk["device"], "HELD", "another program has just opened it exclusively")
                raise UnknownDisk(disk["device"], "it has gone since it was listed (%s)" % os.strerror(error.errno))
    finally:
        for descriptor in held:
            os.close(descriptor)


def wipe(host, commands, chosen, limit_s):
    """Clear what was named to the caller, and make sure that nothing came to light beneath it.

    commands: of `survey.wipe_commands`. Raises StaleData, CommandFailed, Timeout.
    """
    for argv in commands:
        host.log("wiping as asked: %s" % command_line(argv), syslog.LOG_NOTICE)
        run(host, argv, limit_s)
    if commands:
        names = [sysfs.name_of(disk["device"]) for disk in chosen]
        found, unreadable = probe.signatures(host, names)
        left = [(sysfs.node(name), ", ".join(signature.type for signature in found[name])) for name in names if found.get(name)]
        if left or unreadable:
            raise StaleData(left + sorted((sysfs.node(name), "what cannot be read: " + why) for name, why in unreadable.items()))
