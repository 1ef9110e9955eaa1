"""The hosts of a pool: what is carried out on this one, and asking the server of another to carry
it out.
"""

import http.client
import json
import time

from xapi import plugins
from xapi.failure import Failure
from xapi.wire import Struct

POOL_SECRET = "pool-secret-of-the-simulation"  # in dom0 /etc/xensource/ptoken
SECRET_HEADER, ORIGIN_HEADER = "X-Pool-Secret", "X-Origin-Host"
INTERNAL_PATH = "/internal"
CONNECT_S = 10  # how long stunnel tries where nothing else is configured


class LocalHost:
    """This host: its plugins and its devices. log: called with the lines that go to xapi's log."""

    def __init__(self, plugins_folder, storage_manager, log):
        self.plugins_folder, self.storage_manager, self.log = plugins_folder, storage_manager, log

    def call_plugin(self, session, plugin, function, arguments):
        return plugins.run(self.plugins_folder, plugin, session, function, arguments, self.log)

    def storage(self, operation, arguments):
        return self.storage_manager.carry_out(operation, **arguments)


class RemoteHost:
    """Another host, reached over TCP at address "HOST:PORT"; ref: its host ref, for the failure.

    attempts, pause_s: how often the master tries to connect, and its pause after a failure; xapi's
    are 10 and 10 s (xmlrpc_client.ml), so that it takes minutes to say CANNOT_CONTACT_HOST. What
    has been sent is sent once only: a member that dies with a call under way fails it at once.
    """

    def __init__(self, address, ref, attempts=1, pause_s=10.0):
        self.address, self.ref, self.attempts, self.pause_s = address, ref, attempts, pause_s

    def call_plugin(self, session, plugin, function, arguments):
        return self._ask(
            {
                "do": "call_plugin",
                "session": session,
                "plugin": plugin,
                "function": function,
                "arguments": list(arguments),
            }
        )

    def storage(self, operation, arguments):
        return self._ask({"do": "storage", "operation": operation, "arguments": arguments})

    def reach(self):
        """Raise CANNOT_CONTACT_HOST unless it can be connected to."""
        self._connection().close()

    def _ask(self, question):
        connection = self._connection()
        try:
            answer = json.loads(send(connection, INTERNAL_PATH, json.dumps(question).encode()))
        except OSError:
            raise Failure("CANNOT_CONTACT_HOST", self.ref) from None
        finally:
            connection.close()
        if "failure" in answer:
            raise Failure(*answer["failure"])
        return answer["result"]

    def _connection(self):
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause_s)
            try:
                return connect(self.address)
            except OSError:
                pass
        raise Failure("CANNOT_CONTACT_HOST", self.ref)


def answer(local, question):
    """Carry out a question of RemoteHost on the local host; return the reply."""
    try:
        if question["do"] == "call_plugin":
            pairs = Struct(tuple(pair) for pair in question["arguments"])
            return {
                "result": local.call_plugin(
                    question["session"], question["plugin"], question["function"], pairs
                )
            }
        return {"result": local.storage(question["operation"], question["arguments"])}
    except Failure as failure:
        return {"failure": failure.description}


def connect(address):
    """Return an HTTPConnection to "HOST:PORT". Raises OSError after CONNECT_S; an answer may take
    as long as it wants.
    """
    connection = http.client.HTTPConnection(address, timeout=CONNECT_S)
    connection.connect()
    connection.sock.settimeout(None)
    return connection


def send(connection, path, body, origin=""):
    """Send body to a server of the pool and return the reply; origin: the uuid of the host on whose
    behalf. Raises OSError.
    """
    try:
        connection.request(
            "POST",
            path,
            body,
            {SECRET_HEADER: POOL_SECRET, ORIGIN_HEADER: origin, "Content-Type": "text/xml"},
        )
        response = connection.getresponse()
        reply = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(repr(error)) from None
    if response.status != 200:
        raise ConnectionError("HTTP status %d" % response.status)
    return reply


def post(address, path, body, origin=""):
    """Do both of the above. Raises OSError."""
    connection = connect(address)
    try:
        return send(connection, path, body, origin)
    finally:
        connection.close()
