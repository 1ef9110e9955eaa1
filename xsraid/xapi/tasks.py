"""What runs on the arrays (resync, rebuild, check, reshape) as tasks of XAPI, where `xe task-list`
and the pool's clients show how far it is.

Where this host's XAPI has no task.set_progress (before 8.2) there are none: one that never moves
would tell nothing.
"""

from __future__ import absolute_import

import XenAPI

from xsraid.host import store
from xsraid.states import Health, MemberState, SyncAction
from xsraid.xapi import objects

NO_TASK = "OpaqueRef:NULL"
APPLIES_TO = "applies_to"  # by this key Xen Orchestra shows a task at the object of that reference
DOING = {
    SyncAction.RESYNC: "Synchronising",
    SyncAction.RECOVER: "Rebuilding",
    SyncAction.CHECK: "Checking",
    SyncAction.REPAIR: "Repairing",
    SyncAction.RESHAPE: "Reshaping",
}
NOT_WHOLE = (Health.DEGRADED, Health.FAILED, Health.MISSING, Health.INACTIVE)


def follow(host, session, records):
    """Bring XAPI's tasks up to what runs on the arrays now. records: of `state.read_arrays`. Raises
    CommandFailed, and what XAPI raises.
    """
    known = store.read(host, store.TASKS) or {}
    by_uuid = {record.uuid: record for record in records if record.uuid}
    followed = {}
    for uuid, task in known.items():
        record = by_uuid.get(uuid)
        if record and record.sync and record.sync.action == task["action"]:
            followed[uuid] = task
        else:
            _end(session, task["ref"], bool(record) and record.health not in NOT_WHOLE)
    for uuid, record in sorted(by_uuid.items()):
        if record.sync and not (
            uuid in followed and _advance(session, followed[uuid]["ref"], record)
        ):
            followed.pop(uuid, None)
            ref = _begin(host, session, record)
            if ref is not None:
                followed[uuid] = {"ref": ref, "action": record.sync.action}
    if followed != known:
        store.write(host, store.TASKS, followed)


def is_open(host, _records=None):
    """Return whether a task is still to be ended."""
    return bool(store.read(host, store.TASKS))


def _begin(host, session, record):
    """Return the task of what runs on an array, one that a delivery left that was cut off or a new
    one; None if XAPI has no progress to set.
    """
    title = _title(record)
    for ref, task in session.xenapi.task.get_all_records().items():
        if (
            task["status"] == "pending"
            and task["name_label"] == title
            and task["other_config"].get(objects.ARRAY_TAG) == record.uuid
        ):
            _advance(session, ref, record)
            return ref
    if not _has_progress(session):
        return None
    ref = session.xenapi.task.create(title, "%s, %s" % (record.device, record.level))
    session.xenapi.task.add_to_other_config(ref, objects.ARRAY_TAG, record.uuid)
    sr = objects.sr_of_array(host, session, record.uuid)
    if sr is not None:
        session.xenapi.task.add_to_other_config(ref, APPLIES_TO, sr)
    _advance(session, ref, record)
    return ref


def _has_progress(session):
    try:
        session.xenapi.task.set_progress(NO_TASK, 0.0)
    except XenAPI.Failure as error:
        return error.details[0] != "MESSAGE_METHOD_UNKNOWN"
    return True


def _title(record):
    node = record.device.rsplit("/", 1)[-1]
    new = [
        member.device
        for member in record.members
        if member.state == MemberState.REBUILDING and member.device
    ]
    return ", ".join(
        ["%s %s" % (DOING[record.sync.action], node)]
        + (new if record.sync.action == SyncAction.RECOVER else [])
    )


def _advance(session, ref, record):
    """Set a task's progress; return False if XAPI has forgotten it, as it does with tasks of more
    than a day.
    """
    return _tried(lambda: session.xenapi.task.set_progress(ref, record.sync.done_ratio or 0.0))


def _end(session, ref, is_success):
    if is_success:
        _tried(lambda: session.xenapi.task.set_progress(ref, 1.0))
    _tried(lambda: session.xenapi.task.set_status(ref, "success" if is_success else "failure"))


def _tried(act):
    try:
        act()
    except XenAPI.Failure as error:
        if error.details[0] != "HANDLE_INVALID":
            raise
        return False
    return True
