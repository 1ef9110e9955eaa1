"""What a client meets: logging in, strictness, roles, releases, tasks, messages, events, a
restart.
"""

import os
import time
import xmlrpc.client

import pytest

from tests.xapi.conftest import PASSWORD


def only(xenapi, cls):
    return getattr(xenapi, cls).get_all()[0]


def test_unix_socket_takes_root_without_password(server, xenapi):
    session = server.session()
    host = session.xenapi.session.get_this_host(session.handle)
    assert xenapi.host.get_uuid(host) == server.host_uuid
    assert session.xenapi.session.get_is_local_superuser(session.handle) is True


def test_clients_own_transport_reaches_the_unix_socket(make_server):
    api = pytest.importorskip("XenAPI")
    path = "/tmp/xapi%d" % time.time_ns()  # underscores in it would become slashes
    make_server("--socket", path)
    session = api.Session("http://" + path.replace("/", "_"), transport=api.UDSTransport())
    session.login_with_password("root", "", "1.0", "tests")
    assert session.xenapi.pool.get_all()
    os.unlink(path)


def test_tcp_asks_for_the_password(server, failure):
    assert server.session_over_tcp().xenapi.host.get_all()
    assert failure(server.session_over_tcp, "root", "wrong")[:2] == [
        "SESSION_AUTHENTICATION_FAILED",
        "root",
    ]
    assert failure(server.session_over_tcp, "root", "")[0] == "SESSION_AUTHENTICATION_FAILED"
    assert (
        failure(server.session_over_tcp, "nobody", PASSWORD)[0] == "SESSION_AUTHENTICATION_FAILED"
    )


def test_values_have_the_forms_of_xapi(xenapi):
    record = xenapi.host.get_record(only(xenapi, "host"))
    assert record["memory_overhead"] == "0"
    assert record["enabled"] is True
    assert record["other_config"] == {}
    assert record["tags"] == []
    assert xenapi.pool.set_name_label(only(xenapi, "pool"), "") == ""


def test_unknown_methods(xenapi, failure):
    assert failure(xenapi.SR.frobnicate) == ["MESSAGE_METHOD_UNKNOWN", "SR.frobnicate"]
    assert failure(xenapi.VBD.get_all) == ["MESSAGE_METHOD_UNKNOWN", "VBD.get_all"]


def test_number_of_parameters(xenapi, failure):
    assert failure(xenapi.SR.get_by_uuid) == [
        "MESSAGE_PARAMETER_COUNT_MISMATCH",
        "SR.get_by_uuid",
        "1",
        "0",
    ]
    assert failure(xenapi.host.call_plugin, only(xenapi, "host"), "p", "f", {}, "more") == [
        "MESSAGE_PARAMETER_COUNT_MISMATCH",
        "host.call_plugin",
        "4",
        "5",
    ]


def test_types_of_parameters(xenapi, failure):
    host, uuid = only(xenapi, "host"), xenapi.host.get_uuid(only(xenapi, "host"))
    assert failure(xenapi.host.call_plugin, host, "p", "f", {"a": 1}) == [
        "FIELD_TYPE_ERROR",
        "args",
    ]
    assert failure(xenapi.host.call_plugin, host, "p", "f", "a=1") == ["FIELD_TYPE_ERROR", "args"]
    assert failure(xenapi.host.call_plugin, host, 3, "f", {}) == ["FIELD_TYPE_ERROR", "plugin"]
    assert failure(xenapi.message.create, "N", "three", "Host", uuid, "") == [
        "FIELD_TYPE_ERROR",
        "priority",
    ]
    assert failure(xenapi.message.create, "N", True, "Host", uuid, "") == [
        "FIELD_TYPE_ERROR",
        "priority",
    ]
    assert failure(xenapi.message.create, "N", "3", "Fridge", uuid, "") == [
        "FIELD_TYPE_ERROR",
        "cls",
    ]
    assert failure(xenapi.SR.introduce, "", "", "", "lvm", "", "false") == [
        "FIELD_TYPE_ERROR",
        "shared",
    ]
    assert xenapi.message.create("N", 3, "Host", uuid, "an int")
    assert xenapi.message.create("N", "3", "Host", uuid, "decimal text")


def test_unknown_objects(xenapi, failure):
    assert failure(xenapi.SR.get_record, "OpaqueRef:x") == ["HANDLE_INVALID", "SR", "OpaqueRef:x"]
    assert failure(xenapi.SR.get_by_uuid, "x") == ["UUID_INVALID", "SR", "x"]
    assert failure(xenapi.message.create, "N", "3", "SR", "x", "") == ["UUID_INVALID", "SR", "x"]


def test_session_ends_with_logout(server, failure):
    session, other = server.session(), server.session()
    handle = session.handle
    session.logout()
    assert failure(other.xenapi.session.get_uuid, handle) == ["HANDLE_INVALID", "session", handle]
    # The client would log in again.
    assert server.raw("host.get_all", handle)["ErrorDescription"] == ["SESSION_INVALID", handle]


def test_maps_and_sets(xenapi, failure):
    pool = only(xenapi, "pool")
    xenapi.pool.add_to_other_config(pool, "key", "1")
    assert failure(xenapi.pool.add_to_other_config, pool, "key", "2") == [
        "MAP_DUPLICATE_KEY",
        "pool",
        "other_config",
        pool,
        "key",
    ]
    xenapi.pool.remove_from_other_config(pool, "key")
    xenapi.pool.remove_from_other_config(pool, "key")
    assert xenapi.pool.get_other_config(pool) == {}
    xenapi.pool.add_tags(pool, "a")
    xenapi.pool.add_tags(pool, "a")
    assert xenapi.pool.get_tags(pool) == ["a"]


def test_roles(server, failure):
    reader, operator = (
        server.session_over_tcp("ruth", "r").xenapi,
        server.session_over_tcp("olga", "o").xenapi,
    )
    host = only(reader, "host")
    denied = failure(reader.secret.create, {"value": "x"})
    assert denied[:2] == ["RBAC_PERMISSION_DENIED", "secret.create"]
    assert "pool-operator" in denied[2]
    assert failure(operator.host.call_plugin, host, "p", "f", {})[:2] == [
        "RBAC_PERMISSION_DENIED",
        "host.call_plugin",
    ]
    assert operator.secret.create({"value": "x"})


@pytest.mark.parametrize(
    "version, unknown",
    [
        ("7.1.0", ["set_status", "set_progress", "set_result"]),
        ("7.2.0", ["set_progress", "set_result"]),
        ("8.2.1", ["set_result"]),
        ("8.3.0", []),
    ],
)
def test_methods_newer_than_the_release_are_unknown(make_server, failure, version, unknown):
    xenapi = make_server(version=version).session().xenapi
    task = xenapi.task.create("label", "")
    for method, value in (("set_status", "success"), ("set_progress", 0.5), ("set_result", "text")):
        if method in unknown:
            assert failure(getattr(xenapi.task, method), task, value) == [
                "MESSAGE_METHOD_UNKNOWN",
                "task." + method,
            ]
        else:
            getattr(xenapi.task, method)(task, value)


def test_secrets(xenapi, failure):
    secret = xenapi.secret.create({"value": "geheim", "other_config": {"a": "b"}})
    assert (
        xenapi.secret.get_value(xenapi.secret.get_by_uuid(xenapi.secret.get_uuid(secret)))
        == "geheim"
    )
    xenapi.secret.destroy(secret)
    assert failure(xenapi.secret.get_value, secret)[0] == "HANDLE_INVALID"


def test_messages(server, xenapi):
    start = xenapi.host.get_servertime(only(xenapi, "host"))
    message = xenapi.message.create("DISK_FAILED", "2", "Host", server.host_uuid, "body with < & ü")
    record = xenapi.message.get_all_records()[message]
    assert (
        record["name"],
        record["priority"],
        record["cls"],
        record["obj_uuid"],
        record["body"],
    ) == ("DISK_FAILED", "2", "Host", server.host_uuid, "body with < & ü")
    assert message in xenapi.message.get_all()
    assert message in xenapi.message.get_all_records_where("true")
    assert record["timestamp"].value >= start.value
    xenapi.message.destroy(message)
    assert message not in xenapi.message.get_all()


def test_events_tell_of_new_messages(server, xenapi):
    batch = getattr(xenapi.event, "from")(["message"], "", 0.0)
    uuid = xenapi.host.get_uuid(only(xenapi, "host"))
    message = xenapi.message.create("N", "5", "Host", uuid, "")
    news = xenapi.event_from(["message"], batch["token"], 5.0)
    (event,) = news["events"]
    assert (event["class"], event["operation"], event["ref"], event["snapshot"]["name"]) == (
        "message",
        "add",
        message,
        "N",
    )
    assert xenapi.event_from(["message"], news["token"], 0.1)["events"] == []


def test_tasks(xenapi):
    task = xenapi.task.create("copying", "a disk")
    xenapi.task.set_progress(task, 0.25)
    assert (xenapi.task.get_progress(task), xenapi.task.get_status(task)) == (0.25, "pending")
    xenapi.task.set_status(task, "success")
    xenapi.task.destroy(task)
    assert task not in xenapi.task.get_all()


def test_state_outlives_a_kill(make_server):
    server = make_server()
    xenapi = server.session().xenapi
    pool, secret = only(xenapi, "pool"), xenapi.secret.create({"value": "geheim"})
    xenapi.pool.add_to_other_config(pool, "key", "value")
    message = xenapi.message.create("N", "3", "Host", server.host_uuid, "")
    task = xenapi.task.create("label", "")
    server.kill()
    server.start()
    xenapi = server.session().xenapi
    assert xenapi.pool.get_other_config(pool) == {"key": "value"}
    assert xenapi.secret.get_value(secret) == "geheim"
    assert message in xenapi.message.get_all()
    assert task not in xenapi.task.get_all()


def test_bodies_are_limited(server, xenapi):
    with pytest.raises((xmlrpc.client.ProtocolError, OSError)):
        xenapi.pool.set_name_label(only(xenapi, "pool"), "x" * (301 * 1024))


def test_local_session_is_no_session_of_the_pool(server):
    handle = server.raw("session.slave_local_login_with_password", "root", "")["Value"]
    assert server.raw("host.get_all", handle)["ErrorDescription"] == ["SESSION_INVALID", handle]
    assert server.raw("session.local_logout", handle)["Status"] == "Success"
    assert server.raw("session.local_logout", handle)["ErrorDescription"] == [
        "SESSION_INVALID",
        handle,
    ]
