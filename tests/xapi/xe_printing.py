"""How xe prints records, lists and failures (cli_printer.ml, cli_util.ml)."""


class CommandError(Exception):
    """A command that xe refuses by itself. usage: add the line that points to help."""

    def __init__(self, text, usage=False):
        super().__init__(text)
        self.text = text + "\n" + ("For usage run: 'xe help'\n" if usage else "")


def minimal(values):
    """Return what --minimal prints: values in one line, commas in them escaped."""
    return ",".join(value.replace("\\", "\\\\").replace(",", "\\,") for value in values) + "\n"


def table(records):
    """Return records, each a list of (label, text), in xe's form: labels flush right but the first,
    two empty lines after each record.
    """
    text = ""
    for fields in records:
        width = 4 + max(len(label) for label, _ in fields)
        lines = [fields[0][0].ljust(width) + ": " + fields[0][1]] + [
            label.rjust(width) + ": " + value for label, value in fields[1:]
        ]
        text += "\n".join(lines) + "\n\n\n"
    return text


def label(parameter):
    """Return a parameter's name with its access, as in "uuid ( RO)"."""
    access = " (%s)" % parameter.access.rjust(3)
    return parameter.name + access + (" [DEPRECATED]" if parameter.deprecated else "")


# code → (what xe says, the names of the parameters): datamodel_errors.ml. A code that is not here
# is printed as it is.
KNOWN_ERRORS = {
    "CANNOT_CONTACT_HOST": (
        (
            "Cannot forward messages because the server cannot be contacted.  The server may be "
            "switched off or there may be network connectivity"
            " problems."
        ),
        ["host"],
    ),
    "FIELD_TYPE_ERROR": ("The value specified is of the wrong type", ["field"]),
    "HANDLE_INVALID": (
        (
            "You gave an invalid object reference.  The object may have recently been deleted.  "
            "The class parameter gives the type of reference given,"
            " and the handle parameter echoes the bad value given."
        ),
        ["class", "handle"],
    ),
    "HOST_IS_SLAVE": (
        "You cannot make regular API calls directly on a pool member. Please pass API calls via "
        "the coordinator host.",
        ["Coordinator IP address"],
    ),
    "HOST_OFFLINE": (
        "You attempted an operation which involves a host which could not be contacted.",
        ["host"],
    ),
    "HOST_STILL_BOOTING": ("The host toolstack is still initialising. Please wait.", []),
    "INTERNAL_ERROR": (
        (
            "The server failed to handle your request, due to an internal error.  The given "
            "message may give details useful for debugging the"
            " problem."
        ),
        ["message"],
    ),
    "MAP_DUPLICATE_KEY": (
        "You tried to add a key-value pair to a map, but that key is already there.",
        ["type", "param_name", "uuid", "key"],
    ),
    "OPERATION_NOT_ALLOWED": ("You attempted an operation that was not allowed.", ["reason"]),
    "PBD_EXISTS": ("A PBD already exists connecting the SR to the server.", ["sr", "host", "pbd"]),
    "RBAC_PERMISSION_DENIED": ("RBAC permission denied.", ["permission", "message"]),
    "SR_BACKEND_FAILURE": ("There was an SR backend failure.", ["status", "stdout", "stderr"]),
    "SR_DEVICE_IN_USE": (
        "The SR operation cannot be performed because a device underlying the SR is in use by the "
        "host.",
        [],
    ),
    "SR_HAS_PBD": (
        "The SR is still connected to a host via a PBD. It cannot be destroyed or forgotten.",
        ["sr"],
    ),
    "SR_NOT_EMPTY": ("The SR operation cannot be performed because the SR is not empty.", []),
    "SR_NO_PBDS": ("The SR has no attached PBDs", ["sr"]),
    "SR_UNKNOWN_DRIVER": (
        "The SR could not be connected because the driver was not recognised.",
        ["driver"],
    ),
    "SR_UUID_EXISTS": ("An SR with that uuid already exists.", ["uuid"]),
    "UUID_INVALID": ("The uuid you supplied was invalid.", ["type", "uuid"]),
    "XENAPI_MISSING_PLUGIN": ("The requested plugin could not be found.", ["name"]),
    "XENAPI_PLUGIN_FAILURE": (
        "There was a failure communicating with the plugin.",
        ["status", "stdout", "stderr"],
    ),
}


def describe_failure(failure, tables=None):
    """Return what xe writes to standard error for a failed call; tables: where references are
    looked up.
    """
    params = [tables.describe(param) if tables else param for param in failure.params]
    if failure.code == "SESSION_AUTHENTICATION_FAILED":
        return "Authentication failed\nFor usage run: 'xe help'\n"
    if failure.code not in KNOWN_ERRORS:
        return "Error code: %s\nError parameters: %s\n" % (failure.code, ", ".join(params))
    text, names = KNOWN_ERRORS[failure.code]
    lines = [
        "%s: %s" % (name, params[index] if index < len(params) else "<unknown>")
        for index, name in enumerate(names)
    ]
    return (
        "\n".join([text] + lines + ["<extra>: %s" % param for param in params[len(names) :]]) + "\n"
    )
