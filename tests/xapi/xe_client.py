"""xe's side of the wire: calls over the unix socket or TCP with nothing but the standard library,
and a cache of the objects it has looked up.
"""

import http.client
import socket

from xapi import wire
from xapi.failure import Failure
from xapi.xe_records import NOT_IN_DATABASE

NULL = "OpaqueRef:NULL"
NAMED_IN_FAILURES = ("SR", "PBD", "host", "pool", "VDI", "task")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Client:
    """A session with xapi. connection: an HTTPConnection; login() comes first, logout() last."""

    def __init__(self, connection):
        self.connection = connection
        self.session = None

    def call(self, method, *params):
        """Call a method in the session. Raises Failure, OSError."""
        return self._send(method, (self.session,) + params)

    def login(self, user, password):
        self.session = self._send("session.login_with_password", (user, password, "1.0", "cli"))

    def logout(self):
        self.call("session.logout")

    def _send(self, method, params):
        self.connection.request(
            "POST", "/", wire.render_call(method, params).encode(), {"Content-Type": "text/xml"}
        )
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise Failure("INTERNAL_ERROR", "HTTP status %d" % response.status)
        _, reply = wire.parse_response(body)
        if reply.get("Status") != "Success":
            raise Failure(*reply.get("ErrorDescription"))
        return reply.get("Value")


class Tables:
    """Records by class and reference, each class fetched once."""

    def __init__(self, client):
        self.client = client
        self.tables = {}

    def all(self, cls):
        """Return {ref: record} of a class; a record is a Struct."""
        if cls not in self.tables:
            self.tables[cls] = self.client.call("%s.get_all_records" % cls).first_values()
        return self.tables[cls]

    def record(self, cls, ref):
        return None if ref == NULL or cls is None else self.all(cls).get(ref)

    def uuid(self, cls, ref):
        record = self.record(cls, ref)
        return record.get("uuid") if record else NOT_IN_DATABASE

    def name(self, cls, ref):
        record = self.record(cls, ref)
        return record.get("name_label") if record else NOT_IN_DATABASE

    def describe(self, text):
        """Return a reference as xe shows it in a failure, uuid (name), or text itself."""
        if not text.startswith("OpaqueRef:"):
            return text
        for cls in NAMED_IN_FAILURES:
            record = self.record(cls, text)
            if record:
                name = record.get("name_label")
                return record.get("uuid") + (" (%s)" % name if name else "")
        return text
