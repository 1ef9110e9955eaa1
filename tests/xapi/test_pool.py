"""Two servers as one pool: the member has no database of its own, the master reaches its plugins
and devices.
"""

import time

import pytest
import XenAPI

from tests.xapi.conftest import TESTS, reply

HANDLE_FROM_CALL = "handle = 'OpaqueRef:' + sys.argv[1].split('OpaqueRef:')[1][:36]\n"
# asks the member's own server, as a plugin does, which host the session belongs to
ASK_WITH_HANDLE = (
    """
sys.path.insert(0, %r)
folder = os.path.dirname(os.path.dirname(sys.argv[0]))
from xapi.xe_client import Client, UnixConnection
client = Client(UnixConnection(folder + "/xapi"))
client.session = handle
with open(folder + "/asked", "w") as stream:
    stream.write(client.call("host.get_uuid", client.call("session.get_this_host", handle)))
"""
    % TESTS
)


@pytest.fixture(scope="module")
def member(make_server, server):
    member = make_server("--master", server.address, "--name", "second")
    for _ in range(100):
        try:
            member.session()
            return member
        # Until the member has the master's answer to its registration.
        except XenAPI.Failure as error:
            assert error.details == ["HOST_STILL_BOOTING"]
        time.sleep(0.05)
    raise AssertionError("the member did not register")


def test_member_answers_with_the_masters_database(server, member):
    session = member.session()
    hosts = session.xenapi.host.get_all_records()
    assert {record["uuid"] for record in hosts.values()} == {server.host_uuid, member.host_uuid}
    assert hosts[session.xenapi.session.get_this_host(session.handle)]["uuid"] == member.host_uuid
    assert (
        hosts[session.xenapi.pool.get_all_records().popitem()[1]["master"]]["uuid"]
        == server.host_uuid
    )


def test_login_over_tcp_is_the_masters(server, member, failure):
    assert failure(member.session_over_tcp) == ["HOST_IS_SLAVE", server.address]


@pytest.mark.parametrize("asked", ["master", "member"])
def test_plugin_runs_on_the_host_that_is_named(server, member, asked):
    server.plugin("who", reply(Status="Success", Value="master"))
    member.plugin("who", reply(Status="Success", Value="member"))
    xenapi = (server if asked == "master" else member).session().xenapi
    assert (
        xenapi.host.call_plugin(xenapi.host.get_by_uuid(server.host_uuid), "who", "go", {})
        == "master"
    )
    assert (
        xenapi.host.call_plugin(xenapi.host.get_by_uuid(member.host_uuid), "who", "go", {})
        == "member"
    )


def test_failures_come_back_from_the_member(server, member, failure):
    xenapi = server.session().xenapi
    host = xenapi.host.get_by_uuid(member.host_uuid)
    member.plugin("fails", reply(Status="Failure", ErrorDescription=["MY_CODE", "one"]))
    assert failure(xenapi.host.call_plugin, host, "fails", "go", {}) == ["MY_CODE", "one"]
    assert failure(xenapi.host.call_plugin, host, "absent", "go", {}) == [
        "XENAPI_MISSING_PLUGIN",
        "absent",
    ]
    details = failure(
        xenapi.SR.create, host, {"device": "/no/such"}, "0", "", "", "lvm", "", False, {}
    )
    assert details[0] == "SR_BACKEND_FAILURE_19"
    assert "sr_create" not in server.read("log")
    assert "SM: vgs" in member.read("log")


def test_session_that_the_member_gives_its_plugin_works_there(server, member):
    member.plugin(
        "session",
        reply(Status="Success", Value="HANDLE") + ".replace('HANDLE', handle)",
        before=HANDLE_FROM_CALL + ASK_WITH_HANDLE,
    )
    session = server.session()
    host = session.xenapi.host.get_by_uuid(member.host_uuid)
    handle = session.xenapi.host.call_plugin(host, "session", "go", {})
    assert handle != session.handle
    assert member.read("asked") == member.host_uuid
    # It ended with the call.
    assert handle not in [
        event["ref"] for event in session.xenapi.event_from(["session"], "", 0.0)["events"]
    ]


def joined(server, member):
    """Return the master's session and the member's ref once it is in the pool."""
    session = server.session()
    for _ in range(100):
        hosts = [
            ref
            for ref, record in session.xenapi.host.get_all_records().items()
            if record["uuid"] == member.host_uuid
        ]
        if hosts:
            return session, hosts[0]
        time.sleep(0.05)
    raise AssertionError("the member did not register")


def test_host_that_does_not_answer(make_server, server, failure):
    gone = make_server("--master", server.address)
    session, host = joined(server, gone)
    gone.process.kill()
    gone.process.wait()
    assert failure(session.xenapi.host.call_plugin, host, "who", "go", {}) == [
        "CANNOT_CONTACT_HOST",
        host,
    ]


def test_master_tries_again_to_connect(make_server, failure):
    master = make_server("--contact-attempts", "3", "--contact-pause", "0.2")
    gone = make_server("--master", master.address)
    session, host = joined(master, gone)
    gone.process.kill()
    gone.process.wait()
    begin = time.monotonic()
    assert failure(session.xenapi.host.call_plugin, host, "who", "go", {}) == [
        "CANNOT_CONTACT_HOST",
        host,
    ]
    assert 0.4 <= time.monotonic() - begin < 10.0


def test_host_that_is_held_for_dead(make_server, failure):
    """The master does not even try to reach it, and knows it again as soon as it has started."""
    master = make_server("--assumed-dead", "0.5")
    member = make_server("--master", master.address)
    session, host = joined(master, member)
    member.kill()
    metrics = session.xenapi.host.get_record(host)["metrics"]
    deadline = time.monotonic() + 10
    while session.xenapi.host_metrics.get_live(metrics):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert failure(session.xenapi.host.call_plugin, host, "who", "go", {}) == ["HOST_OFFLINE", host]
    member.start()
    while not session.xenapi.host_metrics.get_live(metrics):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_host_that_dies_with_a_call_under_way(make_server, server, failure):
    """The call is not sent again: what it did is not known."""
    dying = make_server("--master", server.address)
    dying.plugin(
        "dies",
        before="open(os.path.dirname(sys.argv[0]) + '/../calls', 'a').write('x'); "
        "os.kill(os.getppid(), signal.SIGKILL)",
    )
    session, host = joined(server, dying)
    assert failure(session.xenapi.host.call_plugin, host, "dies", "go", {}) == [
        "CANNOT_CONTACT_HOST",
        host,
    ]
    assert dying.read("calls") == "x"


def test_member_without_its_master(make_server, failure):
    alone = make_server("--master", "127.0.0.1:1")
    assert failure(alone.session) == ["HOST_STILL_BOOTING"]
