"""The messages that follow from the table of classes: reading and writing one field, and finding
records.
"""

import re

from xapi import values
from xapi.failure import Failure
from xapi.wire import Struct


def carry_out(call, *arguments):
    """Carry out a message that no handler was written for."""
    message = call.message
    if message.kind == "object":
        return OBJECT_MESSAGES[message.name.split(".")[1]](call.database, message.cls, *arguments)
    field = call.database.classes[message.cls][message.field]
    with call.database.lock:
        return CHANGES[message.kind](call.database, message.cls, field, *arguments)


def stored(value):
    """Return an argument as the database keeps it."""
    return value.first_values() if isinstance(value, Struct) else value


def _get(database, cls, field, ref):
    return values.to_wire(field.type, database.read(cls, ref, field.name))


def _set(database, cls, field, ref, value):
    database.write(cls, ref, **{field.name: stored(value)})


def _add_to(database, cls, field, ref, key, value):
    current = database.read(cls, ref, field.name)
    if key in current:
        raise Failure("MAP_DUPLICATE_KEY", cls, field.name, ref, key)
    database.write(cls, ref, **{field.name: dict(current, **{key: value})})


def _remove_from(database, cls, field, ref, key):
    current = database.read(cls, ref, field.name)
    database.write(
        cls, ref, **{field.name: {name: value for name, value in current.items() if name != key}}
    )


def _add(database, cls, field, ref, value):
    current = database.read(cls, ref, field.name)
    database.write(cls, ref, **{field.name: current + [value] if value not in current else current})


def _remove(database, cls, field, ref, value):
    database.write(
        cls,
        ref,
        **{field.name: [item for item in database.read(cls, ref, field.name) if item != value]},
    )


def _get_all(database, cls):
    return database.all(cls)


def _get_all_records(database, cls):
    with database.lock:
        return {ref: database.record(cls, ref) for ref in database.all(cls)}


def _get_all_records_where(database, cls, expression):
    """Of xapi's expressions only: true, and one comparison `field "name" = "text"`."""
    comparison = re.fullmatch(r'\s*field\s*"(\w+)"\s*=\s*"([^"]*)"\s*', expression)
    if not comparison and expression.strip() != "true":
        raise Failure("INVALID_VALUE", expression, "not understood by the simulation")
    records = _get_all_records(database, cls)
    if not comparison:
        return records
    return {
        ref: record
        for ref, record in records.items()
        if str(record.get(comparison.group(1))) == comparison.group(2)
    }


def _get_by_uuid(database, cls, uuid):
    return database.by_uuid(cls, uuid)


def _get_by_name_label(database, cls, label):
    return database.where(cls, name_label=label)


def _get_record(database, cls, ref):
    return database.record(cls, ref)


CHANGES = {
    "get": _get,
    "set": _set,
    "add_to": _add_to,
    "remove_from": _remove_from,
    "add": _add,
    "remove": _remove,
}
OBJECT_MESSAGES = {
    "get_all": _get_all,
    "get_all_records": _get_all_records,
    "get_all_records_where": _get_all_records_where,
    "get_by_uuid": _get_by_uuid,
    "get_by_name_label": _get_by_name_label,
    "get_record": _get_record,
}
