"""The messages of sessions, messages, secrets, the pool and hosts that do more than their fields
say.
"""

from xapi import values
from xapi.failure import Failure
from xapi.wire import DateTime

KEPT_MESSAGES = 10000  # xapi keeps no more
CLASS_OF = {"Host": "host", "Pool": "pool"}  # the class of a message → the class of the database
UNSUPPORTED_CLASSES = ("VMPP", "VMSS", "PVS_proxy", "Certificate")


def record_field(record, name, type_, default=None):
    """Return one field of a record that a constructor was given. Without a default a missing one is
    an error, in xapi's words.
    """
    value = record.get(name) if isinstance(record, list) else None
    if value is None and default is None:
        raise Failure("INTERNAL_ERROR", 'Server_helpers.Dispatcher_FieldNotFound("%s")' % name)
    value = default if value is None else values.parse(name, type_, value)
    return value.first_values() if type_.endswith(" map") and not isinstance(value, dict) else value


def login(call, name, password, version, originator):
    return call.xapi.sessions.login(
        name, password, call.origin != "tcp", call.xapi.host_of(call.origin), originator
    )


def logout(call):
    call.xapi.sessions.destroy(call.session)


def local_login(call, name, password):
    return call.xapi.sessions.login_locally(name, password, trusted=call.origin == "unix")


def local_logout(call):
    if call.session not in call.xapi.sessions.local:
        raise Failure("SESSION_INVALID", call.session)
    call.xapi.sessions.local.discard(call.session)


def create_message(call, name, priority, cls, uuid, body):
    with call.database.lock:
        if cls in UNSUPPORTED_CLASSES or not call.database.where(CLASS_OF.get(cls, cls), uuid=uuid):
            raise Failure("UUID_INVALID", cls, uuid)
        return add_message(call.database, name, priority, cls, uuid, body)


def add_message(database, name, priority, cls, uuid, body):
    """Add a message, the oldest giving way when there are too many, and return its ref."""
    with database.lock:
        for ref in database.all("message")[: -KEPT_MESSAGES + 1]:
            database.destroy("message", ref)
        return database.create(
            "message",
            name=name,
            priority=priority,
            cls=cls,
            obj_uuid=uuid,
            body=body,
            timestamp=values.now(),
        )


def destroy_message(call, ref):
    call.database.destroy("message", ref)


def destroy_messages(call, refs):
    for ref in refs:
        call.database.destroy("message", ref)


def _messages(database, wanted):
    with database.lock:
        return {
            ref: database.record("message", ref)
            for ref in database.all("message")
            if wanted(database.get("message", ref))
        }


def _later(record, since):
    """Whether a message is younger than the time since, written with or without dashes, colons and
    Z.
    """
    return record["timestamp"].rstrip("Z") > since.replace("-", "").rstrip("Z")


def get_messages(call, cls, uuid, since):
    return _messages(
        call.database,
        lambda record: (record["cls"], record["obj_uuid"]) == (cls, uuid) and _later(record, since),
    )


def get_messages_since(call, since):
    return _messages(call.database, lambda record: _later(record, since))


def create_secret(call, record):
    return call.database.create(
        "secret",
        value=record_field(record, "value", "string"),
        other_config=record_field(record, "other_config", "(string -> string) map", {}),
    )


def destroy_secret(call, ref):
    call.database.destroy("secret", ref)


def call_plugin(call, host, plugin, function, arguments):
    """On another host of the pool the plugin gets a session of its own, which ends with the call
    (message_forwarding.ml); here the caller's.
    """
    runner = call.xapi.runner(host)
    if runner is call.xapi.local:
        return runner.call_plugin(call.session, plugin, function, arguments)
    if call.task:
        call.database.get("task", call.task)["_forwarded_to"] = host
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


METHODS = {
    "session.login_with_password": login,
    "session.logout": logout,
    "session.slave_local_login_with_password": local_login,
    "session.local_logout": local_logout,
    "message.create": create_message,
    "message.destroy": destroy_message,
    "message.destroy_many": destroy_messages,
    "message.get": get_messages,
    "message.get_since": get_messages_since,
    "secret.create": create_secret,
    "secret.destroy": destroy_secret,
    "pool.sync_database": sync_database,
    "host.call_plugin": call_plugin,
    "host.enable": enable_host,
    "host.disable": disable_host,
    "host.get_servertime": server_time,
}
