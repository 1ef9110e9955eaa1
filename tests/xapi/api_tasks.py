"""The messages of tasks: whose they are, what cancelling does to them, and when they may go
(xapi_task.ml, taskHelper.ml).
"""

import uuid as uuids

from xapi import values
from xapi.failure import Failure
from xapi.model import ROLES
from xapi.sessions import denied

COMPLETED = ("success", "failure", "cancelled")
# The extra permission, pool-operator and above.
ANY_TASK, ANY_TASK_ROLES = "task.destroy/any", ROLES[:2]


def add(xapi, session, label, description=""):
    """Add a pending task that belongs to a session and return its ref."""
    return xapi.database.create(
        "task",
        name_label=label,
        name_description=description,
        created=values.now(),
        type="<none/>",
        resident_on=xapi.host,
        _session=session,
    )


def complete(database, ref, status, **fields):
    """End a task, unless somebody else has set its status or it is gone."""
    with database.lock:
        if ref in database.tables["task"] and database.read("task", ref, "status") == "pending":
            database.write(
                "task",
                ref,
                status=status,
                progress=1.0,
                finished=values.now(),
                allowed_operations=[],
                **fields,
            )


def create_task(call, label, description):
    return add(call.xapi, call.session, label, description)


def destroy_task(call, ref):
    """One that has not ended stays, with only a note that it should go."""
    _assert_may_change(call, ref)
    if call.database.read("task", ref, "status") in COMPLETED:
        call.database.destroy("task", ref)
        return
    operations = call.database.read("task", ref, "current_operations")
    if "task" in operations:
        raise Failure("MAP_DUPLICATE_KEY", "task", "current_operations", ref, "task")
    call.database.write("task", ref, current_operations=dict(operations, task="destroy"))


def cancel_task(call, ref):
    """Leave the wish in the task's record, where a plugin's call never looks: it goes on to its
    end. The host it was forwarded to must be there.
    """
    _assert_may_change(call, ref)
    forwarded_to = call.database.get("task", ref).get("_forwarded_to")
    if forwarded_to:
        call.xapi.runner(forwarded_to).reach()
    call.database.write(
        "task", ref, current_operations={"DummyRef:|%s|task.cancel" % uuids.uuid4(): "cancel"}
    )


def _assert_may_change(call, ref):
    """Raise RBAC_PERMISSION_DENIED unless the task is the caller's own, by a session that still is,
    or the caller's role may change any.
    """
    sessions = call.database.tables["session"]
    mine, its = sessions[call.session], sessions.get(call.database.get("task", ref).get("_session"))
    if (its is None or its["auth_user_sid"] != mine["auth_user_sid"]) and mine[
        "_role"
    ] not in ANY_TASK_ROLES:
        raise denied(ANY_TASK, ANY_TASK_ROLES)


def _setter(field):
    def set_field(call, ref, value):
        _assert_may_change(call, ref)
        call.database.write("task", ref, **{field: value})

    return set_field


METHODS = {
    "task.create": create_task,
    "task.destroy": destroy_task,
    "task.cancel": cancel_task,
    "task.set_status": _setter("status"),
    "task.set_progress": _setter("progress"),
    "task.set_result": _setter("result"),
    "task.set_error_info": _setter("error_info"),
}
