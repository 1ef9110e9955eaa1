"""What md does in an array on its own (md/sync_action: resync, recover, check, reshape): have it go
on, keep it from that for a while.
"""

from __future__ import absolute_import

import errno
import re
import signal
import syslog
import time

from xsraid.errors import CommandFailed, Timeout
from xsraid.host import clock, store, sysfs
from xsraid.md import mdadm
from xsraid.md import state as md_state
from xsraid.md.levels import has_write_hole
from xsraid.states import Health, SyncAction
from xsraid.text import bare_uuid

SETTLE_S = 5  # as long as udev may look at an array
LOOK_S = 0.1


def wake(host, record):
    """Have an array that waits for its first write (read-auto) go on with the resync or reshape
    that is pending on it.
    """
    if sysfs.attribute(host, sysfs.name_of(record.device), "md/array_state") == "read-auto":
        mdadm.make_writable(host, record.device)


def make_read_only(host, record):
    """Make a writable array read-only, until `make_writable`. Raises CommandFailed, as where
    somebody has it open, Timeout.

    A kernel of today refuses that while anything is under way on the array, which is frozen then.
    (6.1 ends it by itself.)
    """
    name = sysfs.name_of(record.device)
    deadline = clock.monotonic_s() + SETTLE_S
    while True:
        try:
            mdadm.make_read_only(host, record.device)
            return
        except CommandFailed:
            if clock.monotonic_s() > deadline:
                thaw(host, record)
                raise
        if sysfs.attribute(host, name, "md/sync_action") not in (
            None,
            SyncAction.IDLE,
            SyncAction.FROZEN,
        ):
            try_to_write(
                host,
                name,
                "md/sync_action",
                SyncAction.FROZEN,
                "%s cannot be frozen" % record.device,
            )
        time.sleep(LOOK_S)


def make_writable(host, record):
    """Make an array writable again after a failure, which is the one to report."""
    try:
        mdadm.make_writable(host, record.device, may_fail=True)
    except Timeout as error:
        host.log("%s stays read-only: %s" % (record.device, error), syslog.LOG_WARNING)
    thaw(host, record)


def part_from_reshape(host, record):
    """Have an array be reshaped that the kernel resynchronises and reshapes in one, and note that
    its parity is to be repaired then. Raises CommandFailed.

    That is what kernels from 6.18 on (and later ones of 6.12) make of a reshape that a power cut
    interrupted in the middle of writes (md.c, md_get_active_sync_action): in the end the array has
    its old size, and what had been reshaped before has parity that was never made right. A reshape
    that an mdadm drives is left to it.
    """
    name = sysfs.name_of(record.device)
    is_in_one = (
        has_write_hole(record.level, record.consistency_policy)
        and sysfs.attribute(host, name, "md/sync_action") == SyncAction.RESYNC
        and sysfs.number(host, name, "md/reshape_position") is not None
    )
    if not is_in_one or _is_reshaped(host, record):
        return
    store.write(host, store.RESHAPED, {}, record.uuid)
    host.write_attribute("/sys/block/%s/md/sync_action" % name, SyncAction.FROZEN)
    try:
        host.write_attribute("/sys/block/%s/md/resync_start" % name, "none")
    finally:
        thaw(host, record)


def repair_parity(host, records):
    """Begin the repair of what `part_from_reshape` noted where the reshape has ended, and forget it
    where the repair has ended. records: of `state.read_arrays`. Raises CommandFailed.

    A power cut in the middle leaves the note, and the next boot begins again.
    """
    there = [record for record in records if record.health not in Health.NOT_THERE]
    for record in there:
        part_from_reshape(host, record)
    known = [bare_uuid(record.uuid) for record in records if record.uuid]
    for uuid in store.uuids(host, store.RESHAPED):
        if uuid not in known:
            store.remove(host, store.RESHAPED, uuid)
    for record in there:
        note = store.read(host, store.RESHAPED, record.uuid) if record.uuid else None
        if note is not None:
            _repair_parity(host, record)


def _repair_parity(host, record):
    name = sysfs.name_of(record.device)
    if md_state.is_repair_due(host, record.uuid):
        is_over = sysfs.number(host, name, "md/reshape_position") is None
        if is_over and sysfs.attribute(host, name, "md/sync_action") == SyncAction.IDLE:
            host.write_attribute("/sys/block/%s/md/sync_action" % name, SyncAction.REPAIR)
            facts = {"boot": sysfs.boot_id(host)}
            store.write(host, store.RESHAPED, facts, record.uuid)
    elif not record.sync:
        store.remove(host, store.RESHAPED, record.uuid)
        host.log("the parity of %s was repaired after its reshape" % record.device)


def thaw(host, record):
    """Let md rebuild again after an mdadm that froze the array was ended. What cannot be done is
    logged: the first failure is the one to report.

    It stays frozen while an mdadm that reshapes it is at work: that freezes it between two parts.
    """
    name = sysfs.name_of(record.device)
    if sysfs.attribute(host, name, "md/sync_action") == SyncAction.FROZEN:
        if _is_reshaped(host, record):
            host.log(
                "%s stays frozen: an mdadm is reshaping it" % record.device, syslog.LOG_WARNING
            )
            return
        try_to_write(
            host, name, "md/sync_action", SyncAction.IDLE, "%s stays frozen" % record.device
        )


def try_to_write(host, name, path, text, otherwise):
    """Write an attribute of an array after a failure, which is the one to report: that it cannot be
    written is logged.
    """
    try:
        host.write_attribute("/sys/block/%s/%s" % (name, path), text)
    except CommandFailed as error:
        host.log("%s: %s" % (otherwise, error), syslog.LOG_WARNING)


def _is_reshaped(host, record):
    """Return whether an mdadm reshapes an array (`--grow`, also of mdadm-grow-continue@.service).
    One that waits to be killed does no more.
    """
    for process in host.names("/proc"):
        words = _of_process(host, process, "cmdline").split("\0") if process.isdigit() else [""]
        is_grow = mdadm.is_grow(words, lambda word: host.real_path(word) == record.device)
        if is_grow and not _is_killed(host, process):
            return True
    return False


def _is_killed(host, process):
    """Return whether SIGKILL waits for a process, which sleeps in the kernel (proc(5): masks of
    signals, the first is bit 0).
    """
    status = _of_process(host, process, "status")
    masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", status, re.MULTILINE)
    return not status or any(int(mask, 16) >> (signal.SIGKILL - 1) & 1 for mask in masks)


def _of_process(host, process, name):
    """Return what the kernel says of a process, an empty text where it has ended."""
    try:
        return host.read_if_there("/proc/%s/%s" % (process, name)) or ""
    except EnvironmentError as error:
        if error.errno != errno.ESRCH:
            raise
        return ""
