"""xe's commands: CLASS-list and CLASS-param-… of every class in xe_records.py, and those that do
something (cli_operations.ml).
"""

from xapi.wire import Struct
from xapi.xe_printing import CommandError, label, minimal, table
from xapi.xe_records import CLASSES, Record, parameters_of

NULL = "OpaqueRef:NULL"
# Parameters that every command takes.
STANDARD = ("minimal", "force", "multiple", "all", "message-priority", "trace", "progress")


def fail(text):
    raise CommandError("Error: " + text)


def value(pairs, name, default=None):
    return next((item for key, item in pairs if key == name), default)


def truth(pairs, name):
    text = value(pairs, name, "false")
    if text.lower() not in ("true", "false", "t", "f", "1", "0", "yes", "no", "y", "n"):
        fail("Failed to parse parameter '%s': expecting a boolean (true or false)" % name)
    return text.lower() in ("true", "t", "1", "yes", "y")


def map_of(pairs, name):
    """Return the members given as name:key=value; duplicates are kept, as in xe."""
    return Struct(
        (key[len(name) + 1 :], item)
        for key, item in pairs
        if key.startswith(name) and len(key) > len(name) + 1
    )


def listed(pairs, texts):
    return minimal(texts) if truth(pairs, "minimal") else "".join(text + "\n" for text in texts)


# -- records ---------------------------------------------------------------------------------------


def parameter_named(cls, name):
    for parameter in parameters_of(cls):
        if parameter.name == name:
            return parameter
    raise CommandError("Error code: Missing parameter\nError parameters: %s" % name)


def split_name(cls, name):
    """Return (parameter, key) of a name on the command line: "type", or "other-config:key" of a map
    or set. Raises CommandError.
    """
    parameters = {parameter.name: parameter for parameter in parameters_of(cls)}
    if name in parameters:
        return parameters[name], None
    base, _, key = name.partition(":")
    if base not in parameters:
        fail("Unknown field '%s'" % name)
    if parameters[base].access[0] not in "SM" or len(parameters[base].access) < 3:
        fail("Field '%s' is not a set or map" % base)
    return parameters[base], key


def matches(record, name, wanted):
    parameter, key = split_name(record.cls, name)
    if key is None:
        return record.show(parameter) == wanted
    if parameter.access.startswith("M"):
        return (key, wanted) in record.members(parameter)
    if key != "contains":
        fail("Invalid syntax for set filtering (should be set-param:contains=key)")
    return wanted in record.members(parameter)


def records(tables, cls):
    return [
        Record(cls, ref, fields.first_values(), tables)
        for ref, fields in tables.all(CLASSES[cls][0]).items()
    ]


def find_record(client, tables, cls, uuid):
    api_class = CLASSES[cls][0]
    ref = client.call("%s.get_by_uuid" % api_class, uuid)
    return Record(cls, ref, client.call("%s.get_record" % api_class, ref).first_values(), tables)


def list_objects(cls):
    def command(client, tables, pairs):
        found = records(tables, cls)
        for name, wanted in pairs:
            if name not in STANDARD and name != "params":
                found = [record for record in found if matches(record, name, wanted)]
        chosen = value(pairs, "params", CLASSES[cls][1].replace(" ", ","))
        shown = [
            parameter
            for parameter in parameters_of(cls)
            if chosen in ("", "all") or parameter.name in chosen.split(",")
        ]
        if truth(pairs, "minimal"):
            return minimal([record.show(shown[0]) for record in found] if shown else [])
        return table(
            [
                [(label(parameter), record.show(parameter)) for parameter in shown]
                for record in found
                if shown
            ]
        )

    return command, []


def param_list(cls):
    def command(client, tables, pairs):
        record = find_record(client, tables, cls, value(pairs, "uuid"))
        fields = [(label(parameter), record.show(parameter)) for parameter in parameters_of(cls)]
        return minimal([fields[0][1]]) if truth(pairs, "minimal") else table([fields])

    return command, ["uuid"]


def param_get(cls):
    def command(client, tables, pairs):
        record = find_record(client, tables, cls, value(pairs, "uuid"))
        parameter = parameter_named(cls, value(pairs, "param-name"))
        key = value(pairs, "param-key")
        if key is None or not parameter.access.startswith("M"):
            return listed(pairs, [record.show(parameter)])
        if key not in dict(record.members(parameter)):
            fail("Key %s not found in map" % key)
        return listed(pairs, [dict(record.members(parameter))[key]])

    return command, ["uuid", "param-name"]


def param_set(cls):
    def command(client, tables, pairs):
        record, api_class = find_record(client, tables, cls, value(pairs, "uuid")), CLASSES[cls][0]
        for name, text in pairs:
            if name == "uuid" or name in STANDARD:
                continue
            parameter, key = split_name(cls, name)
            if key is None:
                set_field(client, api_class, record, parameter, text)
            elif parameter.access != "MRW":
                fail(
                    "Map field '%s' is read-only." % parameter.name
                    if parameter.access == "MRO"
                    else "Cannot param-set on set fields"
                )
            else:
                client.call("%s.remove_from_%s" % (api_class, parameter.field), record.ref, key)
                client.call("%s.add_to_%s" % (api_class, parameter.field), record.ref, key, text)
        return ""

    return command, ["uuid"]


def set_field(client, api_class, record, parameter, text):
    if parameter.access != "RW":
        fail(
            "Field '%s' is a map or set. use the 'name:key=value' syntax." % parameter.name
            if parameter.access == "MRW"
            else "Field '%s' is read-only." % parameter.name
        )
    argument = text
    if parameter.form == "uuid":
        argument = client.call("SR.get_by_uuid", text) if text else NULL
    elif isinstance(record.fields[parameter.field], bool):
        argument = truth([(parameter.name, text)], parameter.name)
    client.call("%s.set_%s" % (api_class, parameter.field), record.ref, argument)


def param_add(cls):
    def command(client, tables, pairs):
        record, parameter = (
            find_record(client, tables, cls, value(pairs, "uuid")),
            parameter_named(cls, value(pairs, "param-name")),
        )
        if parameter.access not in ("SRW", "MRW"):
            fail(
                "Parameter is read-only"
                if parameter.access in ("SRO", "MRO")
                else "Can only add to parameters of type Set or Map"
            )
        if parameter.access == "SRW":
            if value(pairs, "param-key") is None:
                fail(
                    "When adding a key to a set, use the syntax: *-param-add param-name=<name> "
                    "param-key=<key>"
                )
            client.call(
                "%s.add_%s" % (CLASSES[cls][0], parameter.field),
                record.ref,
                value(pairs, "param-key"),
            )
            return ""
        for key, text in pairs:
            if key not in ("uuid", "param-name", "param-key") + STANDARD:
                client.call(
                    "%s.add_to_%s" % (CLASSES[cls][0], parameter.field), record.ref, key, text
                )
        return ""

    return command, ["uuid", "param-name"]


def param_remove(cls):
    def command(client, tables, pairs):
        record, parameter = (
            find_record(client, tables, cls, value(pairs, "uuid")),
            parameter_named(cls, value(pairs, "param-name")),
        )
        key = value(pairs, "param-key")
        if parameter.access not in ("SRW", "MRW"):
            fail(
                "Cannot remove parameters from read-only map"
                if parameter.access in ("SRO", "MRO")
                else "Can only remove from parameters of type Set or Map"
            )
        if parameter.access == "SRW" and key not in record.members(parameter):
            fail("Key %s is not in the set" % key)
        if parameter.access == "MRW" and key not in dict(record.members(parameter)):
            fail("Key %s is not in map" % key)
        client.call(
            "%s.remove_%s%s"
            % (CLASSES[cls][0], "from_" if parameter.access == "MRW" else "", parameter.field),
            record.ref,
            key,
        )
        return ""

    return command, ["uuid", "param-name", "param-key"]


def param_clear(cls):
    def command(client, tables, pairs):
        record, parameter = (
            find_record(client, tables, cls, value(pairs, "uuid")),
            parameter_named(cls, value(pairs, "param-name")),
        )
        if parameter.access not in ("SRW", "MRW", "RW"):
            fail("Can only clear RW parameters")
        empty = {"SRW": [], "MRW": Struct(), "RW": NULL if parameter.form == "uuid" else ""}[
            parameter.access
        ]
        client.call("%s.set_%s" % (CLASSES[cls][0], parameter.field), record.ref, empty)
        return ""

    return command, ["uuid", "param-name"]


# -- commands that do something --------------------------------------------------------------------


def host_of(client, pairs):
    """Return the ref of host-uuid, or of the only host there is."""
    uuid, hosts = value(pairs, "host-uuid"), client.call("host.get_all")
    if uuid is None and len(hosts) > 1:
        raise CommandError("Required parameter not found: host-uuid", usage=True)
    return client.call("host.get_by_uuid", uuid) if uuid is not None else hosts[0]


def host_call_plugin(client, tables, pairs):
    host = client.call("host.get_by_uuid", value(pairs, "host-uuid"))
    return listed(
        pairs,
        [
            client.call(
                "host.call_plugin",
                host,
                value(pairs, "plugin"),
                value(pairs, "fn"),
                map_of(pairs, "args"),
            )
        ],
    )


def sr_create(client, tables, pairs):
    shared, host = truth(pairs, "shared"), host_of(client, pairs)
    sr = client.call(
        "SR.create",
        host,
        map_of(pairs, "device-config"),
        value(pairs, "physical-size", "0"),
        value(pairs, "name-label"),
        "",
        value(pairs, "type"),
        value(pairs, "content-type", ""),
        shared,
        map_of(pairs, "sm-config"),
    )
    return client.call("SR.get_uuid", sr) + "\n"


def sr_introduce(client, tables, pairs):
    client.call(
        "SR.introduce",
        value(pairs, "uuid"),
        value(pairs, "name-label"),
        "",
        value(pairs, "type"),
        value(pairs, "content-type", ""),
        truth(pairs, "shared"),
        map_of(pairs, "sm-config"),
    )
    return listed(pairs, [value(pairs, "uuid")])


def sr_probe(client, tables, pairs):
    found = client.call(
        "SR.probe",
        host_of(client, pairs),
        map_of(pairs, "device-config"),
        value(pairs, "type"),
        map_of(pairs, "sm-config"),
    )
    return listed(pairs, [found])


def pbd_create(client, tables, pairs):
    record = {
        "host": client.call("host.get_by_uuid", value(pairs, "host-uuid")),
        "SR": client.call("SR.get_by_uuid", value(pairs, "sr-uuid")),
        "device_config": map_of(pairs, "device-config"),
        "other_config": map_of(pairs, "other-config"),
    }
    return listed(pairs, [client.call("PBD.get_uuid", client.call("PBD.create", record))])


def secret_create(client, tables, pairs):
    secret = client.call(
        "secret.create", {"value": value(pairs, "value"), "other_config": Struct()}
    )
    return listed(pairs, [client.call("secret.get_uuid", secret)])


def message_create(client, tables, pairs):
    for name, cls in (
        ("vm-uuid", "VM"),
        ("pool-uuid", "Pool"),
        ("sr-uuid", "SR"),
        ("host-uuid", "Host"),
    ):
        if value(pairs, name) is not None:
            client.call(
                "message.create",
                value(pairs, "name"),
                value(pairs, "priority"),
                cls,
                value(pairs, name),
                value(pairs, "body"),
            )
            return ""
    return fail("Need one of: vm-uuid, host-uuid, sr-uuid or pool-uuid")


def on_uuid(cls, message):
    """Return the command that calls a message on the object that uuid names."""

    def command(client, tables, pairs):
        client.call(
            "%s.%s" % (cls, message), client.call("%s.get_by_uuid" % cls, value(pairs, "uuid"))
        )
        return ""

    return command, ["uuid"]


ACTIONS = {
    "host-call-plugin": (host_call_plugin, ["host-uuid", "plugin", "fn"]),
    "sr-create": (sr_create, ["name-label", "type"]),
    "sr-introduce": (sr_introduce, ["name-label", "type", "uuid"]),
    "sr-probe": (sr_probe, ["type"]),
    "sr-forget": on_uuid("SR", "forget"),
    "sr-destroy": on_uuid("SR", "destroy"),
    "sr-scan": on_uuid("SR", "scan"),
    "pbd-create": (pbd_create, ["host-uuid", "sr-uuid"]),
    "pbd-plug": on_uuid("PBD", "plug"),
    "pbd-unplug": on_uuid("PBD", "unplug"),
    "pbd-destroy": on_uuid("PBD", "destroy"),
    "secret-create": (secret_create, ["value"]),
    "secret-destroy": on_uuid("secret", "destroy"),
    "message-destroy": on_uuid("message", "destroy"),
    "message-create": (message_create, ["name", "priority", "body"]),
    "task-cancel": on_uuid("task", "cancel"),
}
GENERIC = {
    "list": list_objects,
    "param-list": param_list,
    "param-get": param_get,
    "param-set": param_set,
    "param-add": param_add,
    "param-remove": param_remove,
    "param-clear": param_clear,
}


def find(command, pairs):
    """Return the function of a command once all it requires is there. Raises CommandError."""
    cls, _, verb = command.partition("-")
    if command in ACTIONS:
        function, required = ACTIONS[command]
    elif cls in CLASSES and verb in GENERIC:
        function, required = GENERIC[verb](cls)
    else:
        raise CommandError("Unknown command: %s" % command, usage=True)
    for name in required:
        if value(pairs, name) is None:
            raise CommandError("Required parameter not found: %s" % name, usage=True)
    return function
