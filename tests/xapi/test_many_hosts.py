"""A pool of many hosts in one process: what a client meets that asks all of them at once, also when
some are slow, dead or answer otherwise.
"""

import json
import threading
import time
import xmlrpc.client

import pytest
import XenAPI

from tests.plugin.conftest import Sysfs
from xapi.failure import Failure
from xapi.many_hosts import HOSTS_MAX, QUICK

LISTED = {"*": {"list_arrays": {"arrays": []}}}


def refs(session):
    """Return {name: ref} of the hosts."""
    return {
        record["name_label"]: ref for ref, record in session.xenapi.host.get_all_records().items()
    }


def outcomes(session, tasks, timeout_s=60.0):
    """Return {name: record} of {name: ref of a task} once all have ended, by the events alone."""
    names, records, token = {ref: name for name, ref in tasks.items()}, {}, ""
    deadline = time.monotonic() + timeout_s
    while len(records) < len(tasks):
        batch = session.xenapi.event_from(["task"], token, max(0.0, deadline - time.monotonic()))
        token = batch["token"]
        for event in batch["events"]:
            if (
                event["ref"] in names
                and event["operation"] != "del"
                and event["snapshot"]["status"] != "pending"
            ):
                records[names[event["ref"]]] = event["snapshot"]
        assert time.monotonic() < deadline, "not ended: %s" % (set(tasks) - set(records))
    return records


def start(session, names, function="list_arrays"):
    """Return {name: ref of the task} of asynchronous calls on the hosts of these names."""
    known = refs(session)
    return {
        name: session.xenapi.Async.host.call_plugin(known[name], "xsraid", function, {})
        for name in names
    }


def test_all_at_once_take_as_long_as_the_slowest(pool):
    """In turn they would take more than a minute; a machine that is busy may need some seconds for
    64 processes.
    """
    names = ["host%d" % number for number in range(HOSTS_MAX)]
    many = pool(
        hosts=HOSTS_MAX,
        plugin=QUICK,
        delays=dict.fromkeys(names[1:], 1.0),
        answers={name: {"version": {"version": name}} for name in names},
    )
    many.befall("host9", delay_s=2.0)
    session = many.session()
    begin = time.monotonic()
    records = outcomes(session, start(session, many.hosts, "version"))
    assert 2.0 <= time.monotonic() - begin < 30.0
    for name, record in records.items():
        assert (record["status"], record["progress"], record["error_info"]) == ("success", 1.0, [])
        assert record["result"] == "<value>%s</value>" % json.dumps({"version": name})
        assert many.hosts[name].calls() == ["version"]
        assert record["created"].value <= record["finished"].value


def test_synchronous_calls_run_at_the_same_time_too(pool):
    many = pool(
        hosts=17,
        plugin=QUICK,
        delays={"host%d" % number: 1.0 for number in range(1, 17)},
        answers=LISTED,
    )
    known, replies = refs(many.session()), {}

    def ask(name):
        replies[name] = many.session().xenapi.host.call_plugin(
            known[name], "xsraid", "list_arrays", {}
        )

    begin = time.monotonic()
    threads = [threading.Thread(target=ask, args=(name,)) for name in known]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begin < 8.0
    assert len(replies) == 17


def test_hosts_that_cannot_be_reached(pool, failure):
    """What of the call was done is known for none but those that were never connected to."""
    many = pool(
        hosts=5,
        plugin=QUICK,
        answers=LISTED,
        dead={"host1": "offline", "host2": "unreachable", "host3": "dies"},
        delays={"host2": 0.3},
    )
    session = many.session()
    known = refs(session)
    expected = {
        "host1": ["HOST_OFFLINE", known["host1"]],
        "host2": ["CANNOT_CONTACT_HOST", known["host2"]],
        "host3": ["CANNOT_CONTACT_HOST", known["host3"]],
    }
    for name, details in expected.items():
        assert (
            failure(session.xenapi.host.call_plugin, known[name], "xsraid", "list_arrays", {})
            == details
        )
    assert {name: bool(host.calls()) for name, host in many.hosts.items() if name in expected} == {
        "host1": False,
        "host2": False,
        "host3": True,
    }
    records = outcomes(session, start(session, known))
    assert {name: record["error_info"] for name, record in records.items()} == dict(
        expected, host0=[], host4=[]
    )
    assert {record["status"] for name, record in records.items() if name in expected} == {"failure"}
    metrics = session.xenapi.host.get_record(known["host1"])["metrics"]
    assert session.xenapi.host_metrics.get_live(metrics) is False
    many.befall("host1")
    assert session.xenapi.host_metrics.get_live(metrics) is True
    assert json.loads(
        session.xenapi.host.call_plugin(known["host1"], "xsraid", "list_arrays", {})
    ) == {"arrays": []}


def test_host_that_says_nothing_more(pool):
    many = pool(hosts=3, plugin=QUICK, answers=LISTED, dead={"host1": "mute"})
    session = many.session()
    tasks = start(session, many.hosts)
    mute = tasks.pop("host1")
    assert set(outcomes(session, tasks)) == {"host0", "host2"}
    session.xenapi.task.cancel(mute)
    assert session.xenapi.task.get_status(mute) == "pending"
    many.befall("host1")
    assert outcomes(session, {"host1": mute})["host1"]["error_info"][0] == "CANNOT_CONTACT_HOST"


def test_hosts_that_answer_otherwise(pool, failure):
    many = pool(
        hosts=4,
        plugin=QUICK,
        missing=["host0", "host1"],
        answers={
            "host2": {"list_arrays": "Traceback"},
            "host3": {
                "list_arrays": Failure("XSRAID_BAD_ARGUMENT", "array", "no such"),
                "version": [1, 2],
            },
        },
    )
    session = many.session()
    known = refs(session)

    def asked(name, function="list_arrays"):
        return failure(session.xenapi.host.call_plugin, known[name], "xsraid", function, {})

    assert asked("host0") == asked("host1") == ["XENAPI_MISSING_PLUGIN", "xsraid"]
    assert asked("host2")[:3] == [
        "XENAPI_PLUGIN_FAILURE",
        "failed to parse plugin output",
        "Traceback",
    ]
    assert asked("host3") == ["XSRAID_BAD_ARGUMENT", "array", "no such"]
    assert asked("host3", "frobnicate")[0] == "UNKNOWN_XENAPI_PLUGIN_FUNCTION"
    assert session.xenapi.host.call_plugin(known["host3"], "xsraid", "version", {}) == "[1, 2]"


def test_address_of_a_member(pool, failure):
    many = pool(hosts=3, plugin=QUICK, dead={"host2": "offline"})
    member = XenAPI.Session("http://" + many.hosts["host1"].address)
    assert failure(member.login_with_password, "root", "whatever", "1.0", "tests") == [
        "HOST_IS_SLAVE",
        many.address,
    ]
    with pytest.raises(OSError):
        XenAPI.Session("http://" + many.hosts["host2"].address).login_with_password(
            "root", "", "1.0", "tests"
        )
    addresses = {
        record["name_label"]: record["address"]
        for record in many.session().xenapi.host.get_all_records().values()
    }
    assert addresses == {name: host.address.split(":")[0] for name, host in many.hosts.items()}
    assert len(set(addresses.values())) == 3


def test_what_is_wrong_with_a_call_fails_its_task(pool, failure):
    """Its form is looked at before there is one, the caller's role and the host afterwards."""
    many = pool(hosts=2, plugin=QUICK, answers=LISTED)
    root, olga = many.session(), many.session("olga", "o")
    host = refs(root)["host1"]
    call = olga.xenapi.Async.host.call_plugin
    assert failure(call, host, "xsraid", "version", {"a": 1}) == ["FIELD_TYPE_ERROR", "args"]
    assert failure(call, host, "xsraid", "version") == [
        "MESSAGE_PARAMETER_COUNT_MISMATCH",
        "host.call_plugin",
        "4",
        "3",
    ]
    assert failure(olga.xenapi.host.call_plugin, host, "xsraid", "version", {})[:2] == [
        "RBAC_PERMISSION_DENIED",
        "host.call_plugin",
    ]
    unknown = root.xenapi.Async.host.call_plugin("OpaqueRef:x", "xsraid", "version", {})
    ended = outcomes(root, {"olga": call(host, "xsraid", "version", {}), "unknown": unknown})
    assert ended["olga"]["error_info"][:2] == ["RBAC_PERMISSION_DENIED", "host.call_plugin"]
    assert ended["unknown"]["error_info"] == ["HANDLE_INVALID", "host", "OpaqueRef:x"]
    assert many.hosts["host1"].calls() == []


def test_tasks_go_when_they_have_ended(pool, failure):
    many = pool(hosts=2, plugin=QUICK, delays={"host1": 60.0}, answers=LISTED)
    session = many.session()
    task = start(session, ["host1"])["host1"]
    session.xenapi.task.cancel(task)  # nothing looks at that while a plugin runs
    session.xenapi.task.destroy(task)
    assert failure(session.xenapi.task.destroy, task) == [
        "MAP_DUPLICATE_KEY",
        "task",
        "current_operations",
        task,
        "task",
    ]
    many.befall("host1")
    assert outcomes(session, {"": task})[""]["status"] == "success"
    assert many.hosts["host1"].calls() == ["list_arrays"]
    session.xenapi.task.destroy(task)
    assert failure(session.xenapi.task.get_record, task) == ["HANDLE_INVALID", "task", task]


def test_cancelling_is_asked_for_at_the_host(pool, failure):
    many = pool(hosts=2, plugin=QUICK, delays={"host1": 60.0}, answers=LISTED)
    session = many.session()
    task = start(session, ["host1"])["host1"]
    many.befall("host1", "unreachable")
    expected = ["CANNOT_CONTACT_HOST", refs(session)["host1"]]
    assert (
        outcomes(session, {"": task})[""]["error_info"]
        == failure(session.xenapi.task.cancel, task)
        == expected
    )
    assert many.hosts["host1"].calls() == []


def test_tasks_of_others(pool, failure):
    many = pool(hosts=1, plugin=QUICK)
    root, ruth = many.session(), many.session("ruth", "r")
    own, roots = ruth.xenapi.task.create("label", ""), root.xenapi.task.create("label", "")
    denied = ["RBAC_PERMISSION_DENIED", "task.destroy/any"]
    assert (
        failure(ruth.xenapi.task.cancel, roots)[:2]
        == failure(ruth.xenapi.task.destroy, roots)[:2]
        == denied
    )
    many.session("ruth", "r").xenapi.task.set_status(own, "success")
    many.session("olga", "o").xenapi.task.set_status(roots, "success")
    ruth.xenapi.session.logout()
    assert failure(many.session("ruth", "r").xenapi.task.destroy, own)[:2] == denied
    root.xenapi.task.destroy(own)


def test_events(pool, failure):
    many = pool(hosts=2, plugin=QUICK, delays={"host1": 60.0}, answers=LISTED)
    session = many.session()
    xenapi = session.xenapi
    for token in ("x", "1", "1,x", "1,2,3"):
        assert failure(xenapi.event_from, ["task"], token, 0.0) == [
            "EVENT_FROM_TOKEN_PARSE_FAILURE",
            token,
        ]
    task, other = start(session, ["host1"])["host1"], xenapi.task.create("other", "")
    batch = xenapi.event_from(["task/" + task], "", 0.0)
    assert [(event["class"], event["operation"], event["ref"]) for event in batch["events"]] == [
        ("task", "add", task)
    ]
    assert batch["valid_ref_counts"]["task"] == "2"
    assert batch["valid_ref_counts"]["host"] == "2"
    assert len(batch["token"]) == 41
    xenapi.task.set_progress(other, 0.5)
    many.befall("host1")
    (event,) = xenapi.event_from(["task/" + task], batch["token"], 30.0)["events"]
    assert (event["operation"], event["snapshot"]["status"]) == ("mod", "success")
    token = xenapi.event_from(["Task"], "", 0.0)["token"]
    begin = time.monotonic()
    assert xenapi.event_from(["Task"], token, 0.3)["events"] == []
    assert 0.3 <= time.monotonic() - begin < 10.0
    brief = xenapi.task.create("brief", "")
    xenapi.task.set_status(brief, "success")
    xenapi.task.destroy(brief)
    xenapi.task.destroy(task)
    assert [
        (event["operation"], event["ref"])
        for event in xenapi.event_from(["task"], token, 0.0)["events"]
    ] == [("del", task)]


def test_waiting_ends_with_the_session(pool):
    many = pool(hosts=1, plugin=QUICK)
    session, ended = many.session(), []
    handle = session.handle
    token = session.xenapi.event_from(["task"], "", 0.0)["token"]

    def wait():  # without the XenAPI client, which would log in again
        ended.append(
            xmlrpc.client.ServerProxy("http://" + many.address).event.__getattr__("from")(
                handle, ["task"], token, 10.0
            )
        )

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    session.xenapi.session.logout()
    thread.join(5)
    assert [reply["ErrorDescription"] for reply in ended] == [["SESSION_INVALID", handle]]


def test_real_plugin_on_each_host(pool):
    """Each call runs in its host's own folders and reaches XAPI by its host's own socket."""
    many = pool(hosts=3)
    for name, serial in (("host1", "Z1"), ("host2", "Z2")):
        Sysfs(many.hosts[name].machine).disk("sda", "8:0", serial)
    session = many.session()
    known = refs(session)

    def call(name, function, **arguments):
        return json.loads(
            session.xenapi.host.call_plugin(known[name], "xsraid", function, arguments)
        )

    assert [
        [disk["serial"] for disk in call(name, "list_disks")["disks"]] for name in sorted(known)
    ] == [[], ["Z1"], ["Z2"]]
    mail = {
        "mail_to": "admin@example.com",
        "mail_from": "dom0@example.com",
        "smtp_host": "smtp.example.com",
        "smtp_security": "none",
    }
    applied = call("host0", "configure_alerts", scope="pool", **mail)["hosts"]
    assert [(host["name_label"], host["applied"]) for host in applied] == [
        ("host0", True),
        ("host1", True),
        ("host2", True),
    ]
    assert "mailhub=smtp.example.com" in many.hosts["host2"].machine.read("etc/ssmtp/ssmtp.conf")
