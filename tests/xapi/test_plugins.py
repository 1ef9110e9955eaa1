"""The protocol of host plugins: one argument in, one reply out, and xapi's own words for everything
that is neither.
"""

import time

import pytest

from tests.xapi.conftest import UnixTransport, reply
from xapi import wire
from xapi.wire import Struct

ECHO = '''"<methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name><value>"
                 + repr((sys.argv[1:], sorted(os.environ.items()), os.getcwd(), sys.stdin.read())).replace("&", "&amp;").replace("<", "&lt;")
                 + "</value></member></struct></value></param></params></methodResponse>"'''  # noqa: E501


@pytest.fixture
def call(server, xenapi):
    host = xenapi.host.get_all()[0]
    return lambda name, arguments=None, method=xenapi.host.call_plugin: method(
        host, name, "go", arguments or {}
    )


def test_plugin_gets_one_argument_and_little_else(server, call):
    server.plugin("echo", ECHO)
    arguments, environment, folder, stdin = eval(call("echo", {"a": "1 < 2 & ü", "b": ""}))
    assert len(arguments) == 1
    assert folder == "/"
    assert stdin == ""
    # LC_CTYPE is Python's own doing.
    assert [pair for pair in environment if pair[0] != "LC_CTYPE"] == [
        ("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")
    ]
    name, params = wire.parse_call(arguments[0])
    assert name == "go"
    assert params[1] == Struct([("a", "1 < 2 & ü"), ("b", "")])


def test_session_of_the_plugin_is_the_callers(server, call):
    server.plugin("echo", ECHO)
    session = wire.parse_call(eval(call("echo"))[0][0])[1][0]
    api = pytest.importorskip("XenAPI")
    local = api.Session("http://localhost", transport=UnixTransport(server.socket))
    local._session = session
    assert local.xenapi.session.get_this_host(session)


def test_duplicate_arguments_reach_the_plugin(server):
    server.plugin("echo", ECHO)
    status, output, _ = server.xe(
        "host-call-plugin",
        "host-uuid=" + server.host_uuid,
        "plugin=echo",
        "fn=go",
        "args:a=1",
        "args:a=2",
    )
    assert status == 0
    assert wire.parse_call(eval(output)[0][0])[1][1] == Struct([("a", "1"), ("a", "2")])


def test_failure_passes_through(server, call, failure):
    server.plugin("fails", reply(Status="Failure", ErrorDescription=["MY_CODE", "one", "two"]))
    assert failure(call, "fails") == ["MY_CODE", "one", "two"]


@pytest.mark.parametrize("name", ["absent", "../plugins/echo", "/bin/sh", "", "."])
def test_missing_plugin(server, call, failure, name):
    server.plugin("echo", ECHO)
    assert failure(call, name) == ["XENAPI_MISSING_PLUGIN", name]


@pytest.mark.parametrize(
    "output, code, expected",
    [
        (
            "'out'",
            "sys.stderr.write('err'); sys.stderr.flush(); os._exit(3)",
            ["non-zero exit", "out", "err"],
        ),
        ("'out'", "os.kill(os.getpid(), signal.SIGKILL)", ["signal: SIGKILL", "out", ""]),
        ("'not XML'", "", ["failed to parse plugin output", "not XML"]),
        ("''", "", ["failed to parse plugin output", ""]),
        (reply(Status="Success"), "", ["unexpected XMLRPC result"]),
        (
            repr(
                "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value></member><member><name>faultString</name>"
                "<value>no</value></member></struct></value></fault></methodResponse>"
            ),
            "",
            ["fault", "7", "no"],
        ),
    ],
)
def test_failure_forms(server, call, failure, output, code, expected):
    server.plugin("broken", output, code)
    details = failure(call, "broken")
    assert details[0] == "XENAPI_PLUGIN_FAILURE"
    assert details[1 : 1 + len(expected)] == expected


def test_plugin_that_cannot_be_started(server, call, failure):
    server.plugin("nothing", interpreter="/no/such/interpreter")
    assert failure(call, "nothing")[:2] == ["XENAPI_PLUGIN_FAILURE", "non-zero exit"]
    server.plugin("echo", ECHO)
    assert failure(call, "echo", {"a": "x" * 140000})[:2] == [
        "XENAPI_PLUGIN_FAILURE",
        "non-zero exit",
    ]


def test_child_left_behind_keeps_nobody_waiting(server, call):
    server.plugin(
        "forks",
        reply(Status="Success", Value="done"),
        "import subprocess; subprocess.Popen(['sleep', '5'])",
    )
    start = time.monotonic()
    assert call("forks") == "done"
    assert time.monotonic() - start < 3


def finished(xenapi, task):
    for _ in range(100):
        record = xenapi.task.get_record(task)
        if record["status"] != "pending":
            return record
        time.sleep(0.05)
    raise AssertionError("the task does not end")


def test_asynchronous_call(server, xenapi, call):
    server.plugin("done", reply(Status="Success", Value="1 < 2"), "import time; time.sleep(0.2)")
    task = call("done", method=xenapi.Async.host.call_plugin)
    assert xenapi.task.get_status(task) == "pending"
    record = finished(xenapi, task)
    assert (record["status"], record["progress"], record["result"]) == (
        "success",
        1.0,
        "<value>1 &lt; 2</value>",
    )
    server.plugin("fails", reply(Status="Failure", ErrorDescription=["MY_CODE", "one"]))
    record = finished(xenapi, call("fails", method=xenapi.Async.host.call_plugin))
    assert (record["status"], record["error_info"]) == ("failure", ["MY_CODE", "one"])
    assert finished(xenapi, xenapi.Async.pool.sync_database())["result"] == "<value></value>"


def test_arguments_are_logged_only_on_request(make_server, server, call):
    server.plugin("done", reply(Status="Success", Value=""))
    call("done", {"key": "quite-secret"})
    assert "key=(omitted)" in server.read("log")
    assert "quite-secret" not in server.read("log")
    talker = make_server("--log-arguments")
    talker.plugin("done", reply(Status="Success", Value=""))
    xenapi = talker.session().xenapi
    xenapi.host.call_plugin(xenapi.host.get_all()[0], "done", "go", {"key": "quite-secret"})
    assert "key=quite-secret" in talker.read("log")
