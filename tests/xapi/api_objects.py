"""The messages of sessions, tasks, messages, secrets, the pool, hosts and events that do more than their fields say."""
import time

from xapi import values
from xapi.failure import Failure
from xapi.wire import DateTime

KEPT_MESSAGES = 10000  # xapi keeps no more
CLASS_OF = {"Host": "host", "Pool": "pool"}  # the class of a message → the class of the database
UNSUPPORTED_CLASSES = ("VMPP", "VMSS", "PVS_proxy", "Certificate")


def record_field(record, name, type_, default=None):
    """Return one field of a record that a constructor was given. Without a default a missing one is an error, in xapi's words."""
    value = record.get(name) if isinstance(record, list) else None
    if value is None and default is None:
        raise Failure("INTERNAL_ERROR", "Server_helpers.Dispatcher_FieldNotFound(\"%s\")" % name)
    value = default if value is None else values.parse(name, type_, value)
    return value.first_values() if type_.endswith(" map") and not isinstance(value, dict) else value


def login(call, name, password, version, originator):
    return call.xapi.sessions.login(name, password, call.origin != "tcp", call.xapi.host_of(call.origin), originator)


def logout(call):
    call.xapi.sessions.destroy(call.session)


def local_login(call, name, password):
    return call.xapi.sessions.login_locally(name, password, trusted=call.origin == "unix")


def local_logout(call):
    if call.session not in call.xapi.sessions.local:
        raise Failure("SESSION_INVALID", call.session)
    call.xapi.sessions.local.discard(call.session)


def create_task(call, label, description):
    return call.database.create("task", name_label=label, name_description=description, created=values.now(), type="<none/>",
                                resident_on=call.xapi.host)


def destroy_task(call, ref):
    if call.database.read("task", ref, "status") in ("success", "failure", "cancelled"):
        call.database.destroy("task", ref)
    else:
        call.database.write("task", ref, current_operations={"task": "destroy"})


def cancel_task(call, ref):
    call.database.write("task", ref, current_operations={call.session: "cancel"})


def _setter(field):
    def set_field(call, ref, value):
        call.database.write("task", ref, **{field: value})
    return set_field


def create_message(call, name, priority, cls, uuid, body):
    with call.database.lock:
        if cls in UNSUPPORTED_CLASSES or not call.database.where(CLASS_OF.get(cls, cls), uuid=uuid):
            raise Failure("UUID_INVALID", cls, uuid)
        return add_message(call.database, name, priority, cls, uuid, body)


def add_message(database, name, priority, cls, uuid, body):
    """Add a message, the oldest giving way when there are too many, and return its ref."""
    with database.lock:
        for ref in database.all("message")[:-KEPT_MESSAGES + 1]:
            database.destroy("message", ref)
        return database.create("message", name=name, priority=priority, cls=cls, obj_uuid=uuid, body=body, timestamp=values.now())


def destroy_message(call, ref):
    call.database.destroy("message", ref)


def destroy_messages(call, refs):
    for ref in refs:
        call.database.destroy("message", ref)


def _messages(database, wanted):
    with database.lock:
        return {ref: database.record("message", ref) for ref in database.all("message") if wanted(database.get("message", ref))}


def _later(record, since):
    """Whether a message is younger than the time since, written with or without dashes, colons and Z."""
    return record["timestamp"].rstrip("Z") > since.replace("-", "").rstrip("Z")


def get_messages(call, cls, uuid, since):
    return _messages(call.database, lambda record: (record["cls"], record["obj_uuid"]) == (cls, uuid) and _later(record, since))


def get_messages_since(call, since):
    return _messages(call.database, lambda record: _later(record, since))


def create_secret(call, record):
    return call.database.create("secret", value=record_field(record, "value", "string"),
                                other_config=record_field(record, "other_config", "(string -> string) map", {}))


def destroy_secret(call, ref):
    call.database.destroy("secret", ref)


def call_plugin(call, host, plugin, function, arguments):
    """On another host of the pool the plugin gets a session of its own, which ends with the call (message_forwarding.ml); here the caller's."""
    runner = call.xapi.runner(host)
    if runner is call.xapi.local:
        return runner.call_plugin(call.session, plugin, function, arguments)
    session = call.xapi.sessions.create(host, is_local_superuser=True, pool=True)
    try:
        return runner.call_plugin(session, plugin, function, arguments)
    finally:
        call.database.destroy("session", session)


def enable_host(call, host):
    call.database.write("host", host, enabled=True)


def disable_host(call, host):
    call.database.write("host", host, enabled=False)


def server_time(call, host):
    call.database.get("host", host)
    return DateTime(values.now())


def sync_database(call):
    call.database.save()


def event_from(call, classes, token, timeout_s):
    """Return a batch of the events after token, waiting up to timeout_s for the first; with an empty token every object counts as added."""
    database = call.database
    wanted = [cls for cls in database.classes if "*" in classes or cls.lower() in [name.lower() for name in classes]]
    deadline = time.monotonic() + timeout_s
    with database.lock:
        events = _events_after(database, wanted, token)
        while not events and time.monotonic() < deadline:
            database.changed.wait(max(0.0, deadline - time.monotonic()))
            events = _events_after(database, wanted, token)
        counts = {cls: str(len(database.tables[cls])) for cls in wanted}
        return {"events": events, "valid_ref_counts": counts, "token": str(database.generation)}


def _events_after(database, wanted, token):
    if not token:
        changes = {(cls, ref): (database.generation, "add") for cls in wanted for ref in database.all(cls)}
    else:
        changes = {}
        for generation, cls, operation, ref in database.events:
            if cls in wanted and generation > int(token):
                first = changes.get((cls, ref), (0, operation))[1]
                changes[cls, ref] = (generation, "del" if operation == "del" else first)
    events = []
    for (cls, ref), (generation, operation) in changes.items():
        event = {"id": str(generation), "timestamp": DateTime(values.now()), "class": cls.lower(), "operation": operation, "ref": ref}
        if ref in database.tables[cls]:
            event["snapshot"] = database.record(cls, ref)
            event["obj_uuid"] = database.get(cls, ref)["uuid"]
        events.append(event)
    return events


def current_event(call):
    return call.database.generation


METHODS = {
    "session.login_with_password": login, "session.logout": logout,
    "session.slave_local_login_with_password": local_login, "session.local_logout": local_logout,
    "task.create": create_task, "task.destroy": destroy_task, "task.cancel": cancel_task, "task.set_status": _setter("status"),
    "task.set_progress": _setter("progress"), "task.set_result": _setter("result"), "task.set_error_info": _setter("error_info"),
    "message.create": create_message, "message.destroy": destroy_message, "message.destroy_many": destroy_messages, "message.get": get_messages,
    "message.get_since": get_messages_since, "secret.create": create_secret, "secret.destroy": destroy_secret, "pool.sync_database": sync_database,
    "host.call_plugin": call_plugin, "host.enable": enable_host, "host.disable": disable_host, "host.get_servertime": server_time,
    "event.from": event_from, "event.get_current_id": current_event,
}
