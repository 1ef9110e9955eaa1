"""The hosts of a pool: what is carried out on this one, and asking the server of another to carry it out."""
import json
import urllib.request

from xapi import plugins
from xapi.failure import Failure
from xapi.wire import Struct

POOL_SECRET = "pool-secret-of-the-simulation"  # in dom0 /etc/xensource/ptoken
SECRET_HEADER, ORIGIN_HEADER = "X-Pool-Secret", "X-Origin-Host"
INTERNAL_PATH = "/internal"


class LocalHost:
    """This host: its plugins and its devices. log: called with the lines that go to xapi's log."""

    def __init__(self, plugins_folder, storage_manager, log):
        self.plugins_folder, self.storage_manager, self.log = plugins_folder, storage_manager, log

    def call_plugin(self, session, plugin, function, arguments):
        return plugins.run(self.plugins_folder, plugin, session, function, arguments, self.log)

    def storage(self, operation, arguments):
        return self.storage_manager.carry_out(operation, **arguments)


class RemoteHost:
    """Another host, reached over TCP at address "HOST:PORT"; ref: its host ref, for the failure."""

    def __init__(self, address, ref):
        self.address, self.ref = address, ref

    def call_plugin(self, session, plugin, function, arguments):
        return self._ask({"do": "call_plugin", "session": session, "plugin": plugin, "function": function, "arguments": list(arguments)})

    def storage(self, operation, arguments):
        return self._ask({"do": "storage", "operation": operation, "arguments": arguments})

    def _ask(self, question):
        try:
            answer = json.loads(post(self.address, INTERNAL_PATH, json.dumps(question).encode()))
        except OSError:
            raise Failure("CANNOT_CONTACT_HOST", self.ref) from None
        if "failure" in answer:
            raise Failure(*answer["failure"])
        return answer["result"]


def answer(local, question):
    """Carry out a question of RemoteHost on the local host; return the reply."""
    try:
        if question["do"] == "call_plugin":
            pairs = Struct(tuple(pair) for pair in question["arguments"])
            return {"result": local.call_plugin(question["session"], question["plugin"], question["function"], pairs)}
        return {"result": local.storage(question["operation"], question["arguments"])}
    except Failure as failure:
        return {"failure": failure.description}


def post(address, path, body, origin=""):
    """Send body to a server of the pool and return the reply; origin: the uuid of the host on whose behalf. Raises OSError."""
    headers = {SECRET_HEADER: POOL_SECRET, ORIGIN_HEADER: origin, "Content-Type": "text/xml"}
    request = urllib.request.Request("http://%s%s" % (address, path), body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as response:
        return response.read()
