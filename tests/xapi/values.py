"""Values by the types of the data model: checking what a client sent, defaults of new records, the
form a field has on the wire.

In memory and in the state file an int is an int, a datetime the text of dateTime.iso8601, a map a
dict, a set a list.
"""

import re
import time

from xapi.failure import Failure
from xapi.messages import ENUMS
from xapi.model import map_types
from xapi.wire import DateTime, Struct

NULL = "OpaqueRef:NULL"
NEVER = "19700101T00:00:00Z"


def now():
    return time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime())


def parse(param, type_, value):
    """Return the value that a client sent for a parameter, as kept in memory. Raises
    FIELD_TYPE_ERROR [param] as xapi does.

    An int may come as an int or as decimal text (which is what the Python client should send,
    XML-RPC's int being 32 bits wide).
    A map given with duplicate keys stays a Struct, since xapi keeps an association list.
    """
    try:
        return _parse(type_, value)
    except (TypeError, ValueError):
        raise Failure("FIELD_TYPE_ERROR", param) from None


def _parse(type_, value):
    types = map_types(type_)
    if types:
        return _require(
            Struct(
                (_parse(types[0], key), _parse(types[1], item))
                for key, item in _require(value, Struct)
            ),
            Struct,
        )
    if type_.endswith(" set"):
        return [_parse(type_[:-4], item) for item in _require(value, list)]
    if type_.endswith(" ref") or type_ == "string":
        return str(_require(value, str, DateTime))
    if type_ == "bool":
        return _require(value, bool)
    if type_ == "int":
        if isinstance(value, bool) or (
            isinstance(value, str) and not re.fullmatch(r"-?\d+", value)
        ):
            raise ValueError(value)
        return int(_require(value, int, str))
    if type_ == "float":
        return float(_require(value, float, int, str))
    if type_ == "datetime":
        return str(_require(value, DateTime))
    if type_.startswith("enum "):
        if _require(value, str) not in ENUMS.get(type_[5:], [value]):
            raise ValueError(value)
        return value
    return value  # a record: its constructor looks at the fields


def _require(value, *kinds):
    if (
        not isinstance(value, kinds)
        or (isinstance(value, bool) and bool not in kinds)
        or (isinstance(value, DateTime) and DateTime not in kinds)
    ):
        raise TypeError(value)
    return value


def default(type_):
    """Return what a field of a new record holds when nothing is known about it."""
    if type_.endswith(" map"):
        return {}
    if type_.endswith(" set"):
        return []
    if type_.endswith(" ref"):
        return NULL
    if type_.startswith("enum "):
        return ENUMS.get(type_[5:], [""])[0]
    return {"bool": False, "int": 0, "float": 0.0, "datetime": NEVER}.get(type_, "")


def to_wire(type_, value):
    """Return a value of the database as it goes on the wire: ints as text, datetimes as such."""
    types = map_types(type_)
    if types:
        return {key: to_wire(types[1], item) for key, item in value.items()}
    if type_.endswith(" set"):
        return [to_wire(type_[:-4], item) for item in value]
    return DateTime(value) if type_ == "datetime" else value
