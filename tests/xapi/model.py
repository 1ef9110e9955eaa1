"""The data model as one table: every class with its fields, every message with its parameters,
roles and first release.

Built from the rows of fields.py and messages.py; getters, setters, add_to_, remove_from_ and the
object messages are derived here.
"""

from collections import namedtuple

from xapi.fields import FIELDS, WRITERS
from xapi.messages import MESSAGES, OBJECT_MESSAGES

# kind: "custom", or how a generated message works on its field: get, set, add_to, remove_from, add,
# remove
Field = namedtuple("Field", "name type access release writer")
Param = namedtuple("Param", "name type optional")
Message = namedtuple("Message", "name cls kind field params result roles release")

ROLES = [
    "pool-admin",
    "pool-operator",
    "vm-power-admin",
    "vm-admin",
    "vm-operator",
    "client-cert",
    "read-only",
]
QUALIFIERS = {"RO": "RO/runtime", "SRO": "RO/constructor", "RW": "RW"}
RESULTS = {
    "get_all": "{0} ref set",
    "get_all_records": "({0} ref -> {0} record) map",
    "get_all_records_where": "({0} ref -> {0} record) map",
    "get_by_uuid": "{0} ref",
    "get_by_name_label": "{0} ref set",
    "get_record": "{0} record",
}
ARGUMENTS = {
    "get_all": [],
    "get_all_records": [],
    "get_all_records_where": [("expr", "string")],
    "get_by_uuid": [("uuid", "string")],
    "get_by_name_label": [("label", "string")],
    "get_record": [("self", "{0} ref")],
}


def roles_from(lowest):
    """Return the roles that may do what the role lowest may: "pool-operator", or with client
    certificates "pool-operator+client-cert".
    """
    name, _, extra = lowest.partition("+")
    roles = ROLES[: ROLES.index(name) + 1]
    if name != "read-only":
        roles = [role for role in roles if role != "client-cert"]
    return frozenset(roles + ([extra] if extra else []))


def fields_of(cls):
    """Return the fields of a class as a dict of Field by name."""
    fields = {}
    for row in FIELDS[cls].strip().splitlines():
        name, access, release, type_ = row.split(None, 3)
        access, _, writer = access.partition(":")
        fields[name] = Field(
            name, type_, access, release, writer or WRITERS.get(cls, "pool-operator")
        )
    return fields


def map_types(type_):
    """Return the types of key and value of "(K -> V) map", or None."""
    if not type_.endswith(" map"):
        return None
    return tuple(type_[1 : type_.rindex(")")].split(" -> ", 1))


def _message(name, kind, field, params, result, lowest, release):
    cls = name.split(".")[0]
    return Message(
        name,
        cls,
        kind,
        field,
        [Param(*param) for param in params],
        result,
        roles_from(lowest),
        release,
    )


def _field_messages(cls, field):
    this = ("self", cls + " ref", False)
    if cls != "message":  # messages are no rows of the database, they have no getters
        yield _message(
            "%s.get_%s" % (cls, field.name),
            "get",
            field.name,
            [this],
            field.type,
            "read-only",
            field.release,
        )
    if field.access != "RW":
        return
    types = map_types(field.type)
    changes = [("set_", "set", [("value", field.type, False)])]
    if types:
        key = ("key", types[0], False)
        changes += [
            ("add_to_", "add_to", [key, ("value", types[1], False)]),
            ("remove_from_", "remove_from", [key]),
        ]
    elif field.type.endswith(" set"):
        changes += [
            (kind + "_", kind, [("value", field.type[:-4], False)]) for kind in ("add", "remove")
        ]
    for prefix, kind, params in changes:
        yield _message(
            "%s.%s%s" % (cls, prefix, field.name),
            kind,
            field.name,
            [this] + params,
            "void",
            field.writer,
            field.release,
        )


def _object_messages(cls):
    lowest, release, names = OBJECT_MESSAGES[cls]
    for name in names.split():
        params = [(param, type_.format(cls), False) for param, type_ in ARGUMENTS[name]]
        yield _message(
            "%s.%s" % (cls, name),
            "object",
            None,
            params,
            RESULTS[name].format(cls),
            lowest,
            release,
        )


def _custom_messages():
    for row in MESSAGES.strip().splitlines():
        if not row:
            continue
        name, lowest, release, result, params = [part.strip() for part in row.split("|")]
        pairs = [param.split(": ", 1) for param in params.split(", ")] if params else []
        yield _message(
            name,
            "custom",
            None,
            [(key.lstrip("?"), type_, key.startswith("?")) for key, type_ in pairs],
            result,
            lowest,
            release,
        )


def classes():
    """Return every class with its fields: {class: {name: Field}}."""
    return {cls: fields_of(cls) for cls in FIELDS}


def messages():
    """Return every message by its name; a row of messages.py replaces the message that would be
    derived.
    """
    table = {}
    for cls, fields in classes().items():
        for field in fields.values():
            table.update((message.name, message) for message in _field_messages(cls, field))
        table.update((message.name, message) for message in _object_messages(cls))
    for message in _custom_messages():
        table[message.name] = (
            message._replace(kind=table[message.name].kind, field=table[message.name].field)
            if message.name in table
            else message
        )
    return table
