"""XML-RPC as xapi speaks it: ints travel as text, void as empty text, and a struct keeps its
members' order and its duplicate keys.

Only bytes in, values out and back again; what the values mean is not known here.
"""

import re
import xml.etree.ElementTree as ElementTree

# Characters that XML 1.0 cannot carry.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ParseError(Exception):
    """The bytes are no XML-RPC of the expected form."""


class DateTime(str):
    """The text of a dateTime.iso8601."""


class Struct(list):
    """The members of a struct as (name, value) pairs, duplicates kept."""

    def get(self, name, default=None):
        return next((value for key, value in self if key == name), default)

    def first_values(self):
        """Return a dict; of a duplicate key the first member wins, as in xapi's association
        lists.
        """
        return dict(reversed(self))


def _value(element):
    """Return the value of a <value> element."""
    if len(element) == 0:
        return element.text or ""
    child = element[0]
    text = child.text or ""
    if child.tag == "string":
        return text
    if child.tag in ("int", "i4", "i8"):
        return int(text)
    if child.tag == "boolean":
        return {"0": False, "1": True}[text.strip()]
    if child.tag == "double":
        return float(text)
    if child.tag == "dateTime.iso8601":
        return DateTime(text)
    if child.tag == "struct":
        return Struct(
            (member.findtext("name") or "", _value(member.find("value")))
            for member in child.findall("member")
        )
    if child.tag == "array":
        return [_value(item) for item in child.findall("data/value")]
    if child.tag == "nil":
        return None
    raise ParseError("unknown type %s" % child.tag)


def _parsed(text):
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ParseError(str(error)) from None


def parse_call(body):
    """Return (method name, parameters) of a methodCall, given as bytes. Raises ParseError."""
    root = _parsed(body)
    name = root.findtext("methodName")
    if root.tag != "methodCall" or not name:
        raise ParseError("no methodCall")
    try:
        return name.strip(), [_value(value) for value in root.findall("params/param/value")]
    except (AttributeError, KeyError, ValueError) as error:
        raise ParseError("bad value: %r" % error) from None


def parse_response(text):
    """Return ("value", v), ("fault", struct) of a methodResponse. Raises ParseError; its argument
    says what is wrong.
    """
    root = _parsed(text)
    if root.tag != "methodResponse":
        raise ParseError("no methodResponse")
    fault, value = root.find("fault/value"), root.find("params/param/value")
    try:
        if fault is not None:
            return "fault", _value(fault)
        return "value", _value(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ParseError("bad value: %r" % error) from None


def escape(text):
    text = FORBIDDEN.sub("?", text)
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    )


def render(value):
    """Return a <value> element as text."""
    return "<value>%s</value>" % _render(value)


def _render(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "<boolean>%d</boolean>" % value
    if isinstance(value, float):
        return "<double>%.17g</double>" % value
    if isinstance(value, int):
        return escape(str(value))
    if isinstance(value, DateTime):
        return "<dateTime.iso8601>%s</dateTime.iso8601>" % value
    if isinstance(value, (dict, Struct)):
        members = value.items() if isinstance(value, dict) else value
        return "<struct>%s</struct>" % "".join(
            "<member><name>%s</name>%s</member>" % (escape(name), render(item))
            for name, item in members
        )
    if isinstance(value, (list, tuple)):
        return "<array><data>%s</data></array>" % "".join(render(item) for item in value)
    return escape(value)


def render_call(name, params):
    """Return a methodCall as text."""
    rendered = "".join("<param>%s</param>" % render(param) for param in params)
    return (
        '<?xml version="1.0"?><methodCall><methodName>%s</methodName><params>%s</params></methodCall>'  # noqa: E501
        % (escape(name), rendered)
    )


def render_success(value):
    """Return xapi's reply to a call that succeeded, as bytes."""
    return _response({"Status": "Success", "Value": "" if value is None else value})


def render_failure(description):
    """Return xapi's reply to a call that failed, as bytes; description: the code and its
    parameters.
    """
    return _response({"Status": "Failure", "ErrorDescription": list(description)})


def _response(value):
    return (
        '<?xml version="1.0"?><methodResponse><params><param>%s</param></params></methodResponse>'
        % render(value)
    ).encode()
