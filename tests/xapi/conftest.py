"""Servers of the simulated XAPI for its own tests: started as processes, spoken to by the XenAPI
client as it is published.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
import xmlrpc.client

import pytest

from xapi import wire
from xapi.many_hosts import USERS, Pool

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PASSWORD = "correct horse"
PLUGIN = """#!%s
import os, signal, sys
%s
sys.stdout.write(%s)
sys.stdout.flush()
%s
"""


def reply(**members):
    """Return the expression by which a plugin writes this reply, see Server.plugin."""
    return repr(
        "<methodResponse><params><param>%s</param></params></methodResponse>" % wire.render(members)
    )


class UnixTransport(xmlrpc.client.Transport):
    """The client's own takes paths without an underscore only."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def add_extra_header(self, key, value):
        pass

    def make_connection(self, host):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(self.path)
        return connection


class Server:
    """One server in a folder of its own; more: options beside the usual ones."""

    def __init__(self, folder, *more, version="8.3.0"):
        self.folder, self.more = folder, more
        self.host_uuid = str(uuid.uuid4())
        self.socket = folder + "/xapi"
        os.makedirs(folder + "/plugins", exist_ok=True)
        os.makedirs(folder + "/faults", exist_ok=True)
        self.root_device = os.path.realpath(folder + "/root-disk")
        self.write(
            "inventory",
            "INSTALLATION_UUID='%s'\nPRODUCT_VERSION='%s'\nPRIMARY_DISK='%s'\n"
            % (self.host_uuid, version, self.root_device),
        )
        self.write("password", PASSWORD + "\n")
        self.write("users", json.dumps(USERS))
        self.start()

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w") as stream:
            stream.write(text)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name)) as stream:
            return stream.read()

    def plugin(self, name, output="''", code="", before="", interpreter=sys.executable):
        """Install a plugin that runs before, writes output (a Python expression), then runs
        code.
        """
        self.write("plugins/" + name, PLUGIN % (interpreter, before, output, code), 0o755)

    def start(self):
        command = [
            sys.executable,
            "-m",
            "xapi.server",
            "--socket",
            self.socket,
            "--tcp",
            "127.0.0.1:0",
            "--log",
            self.folder + "/log",
        ]
        for option in ("plugins", "inventory", "faults", "password-file", "users"):
            command += ["--" + option, os.path.join(self.folder, option.split("-")[0])]
        if "--master" not in self.more:
            command += ["--state", self.folder + "/state.json"]
        environment = dict(os.environ, PYTHONPATH=TESTS, PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen(
            command + list(self.more), stdout=subprocess.PIPE, env=environment, text=True
        )
        self.ready = json.loads(self.process.stdout.readline())
        self.address = self.ready["tcp"][0]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def session(self):
        """Return a session of root on the unix socket."""
        api = pytest.importorskip("XenAPI")
        session = api.Session("http://localhost", transport=UnixTransport(self.socket))
        session.login_with_password("root", "", "1.0", "tests")
        return session

    def session_over_tcp(self, name="root", password=PASSWORD):
        api = pytest.importorskip("XenAPI")
        session = api.Session("http://" + self.address)
        session.login_with_password(name, password, "1.0", "tests")
        return session

    def raw(self, method, *params):
        """Return xapi's reply as it comes, with nothing of the XenAPI client in between."""
        return getattr(
            xmlrpc.client.ServerProxy("http://localhost", UnixTransport(self.socket)), method
        )(*params)

    def xe(self, *arguments):
        """Return (status, standard output, standard error) of xe."""
        environment = dict(
            os.environ, PYTHONPATH=TESTS, PYTHONDONTWRITEBYTECODE="1", XAPI_SOCKET=self.socket
        )
        result = subprocess.run(
            [sys.executable, "-m", "xapi.xe"] + list(arguments),
            capture_output=True,
            text=True,
            env=environment,
        )
        return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def make_server():
    """Return a function that starts a Server; all of them end with the module."""
    base, servers = tempfile.mkdtemp(prefix="xapi"), []

    def make(*more, **settings):
        folder = "%s/%d" % (base, len(servers))
        os.mkdir(folder)
        servers.append(Server(folder, *more, **settings))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def server(make_server):
    return make_server()


@pytest.fixture
def xenapi(server):
    """The methods of a fresh session of root."""
    session = server.session()
    yield session.xenapi
    session.logout()


@pytest.fixture
def pool():
    """Return a function that starts a Pool of many hosts, see many_hosts.py; all of them end with
    the test.
    """
    base, pools = tempfile.mkdtemp(prefix="pool"), []

    def make(**settings):
        pools.append(Pool("%s/%d" % (base, len(pools)), **settings))
        return pools[-1].start()

    yield make
    for started in pools:
        started.stop()
    shutil.rmtree(base)


@pytest.fixture
def failure():
    """Return a function that gives what a call failed with: the code and its parameters."""
    api = pytest.importorskip("XenAPI")

    def details(call, *arguments):
        with pytest.raises(api.Failure) as caught:
            call(*arguments)
        return caught.value.details

    return details
