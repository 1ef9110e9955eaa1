# -*- coding: utf-8 -*-
"""The edge between XAPI and the plugin: arguments in, replies and failures out."""

from __future__ import unicode_literals

import os
import subprocess
import sys

import pytest

from tests.plugin.conftest import HOST_UUID
from xsraid import __version__
from xsraid.functions import FUNCTIONS

try:
    import httplib
    import xmlrpclib
except ImportError:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib


def test_version_tells_which_python(machine):
    assert machine.call("version") == {
        "version": __version__,
        "python": "%d.%d.%d" % sys.version_info[:3],
    }


def test_help_is_the_table(machine):
    functions = machine.call("help")["functions"]
    assert [function["name"] for function in functions] == list(FUNCTIONS)
    (one,) = machine.call("help", function="create_array")["functions"]
    assert [argument["name"] for argument in one["arguments"]][:2] == ["level", "devices"]
    assert "args:level=" in one["example"]
    assert machine.refusal("help", function="make_coffee")[:2] == [
        "XSRAID_BAD_ARGUMENT",
        "function",
    ]


def test_an_unknown_function_is_xapis_own_failure(machine):
    assert machine.refusal("make_coffee")[0] == "UNKNOWN_XENAPI_PLUGIN_FUNCTION"


@pytest.mark.parametrize(
    "function,arguments,name,words",
    [
        ("create_array", {"devices": "sda,sdb"}, "level", "missing"),
        (
            "create_array",
            {"level": "1", "devices": "sda,sdb", "Level": "1"},
            "Level",
            "no argument",
        ),
        ("create_array", {"level": "1", "devices": ""}, "devices", "empty"),
        ("create_array", {"level": "\u0661", "devices": "sda,sdb"}, "level", "\u0661"),
        (
            "create_array",
            {"level": "1", "devices": "sda,sdb", "dry_run": "x" * 102400},
            "dry_run",
            "102400 characters",
        ),
        (
            "create_array",
            {"level": "1", "devices": "sda,sdb", "n\xe4me": "x"},
            "n\xe4me",
            "no argument",
        ),
        ("list_arrays", {"array": "a\nb"}, "array", "one line"),
        (
            "configure_alerts",
            {"mail_to": "a@b", "mail_from": "a@b", "smtp_host": "h", "smtp_password": "hunter2"},
            "smtp_password",
            "xe secret-create",
        ),
        (
            "configure_alerts",
            {"mail_to": "\xfc@b", "mail_from": "a@b", "smtp_host": "h"},
            "mail_to",
            "\xfc@b",
        ),
    ],
)
def test_a_bad_argument_is_named_with_what_would_be_right(
    machine, function, arguments, name, words
):
    details = machine.refusal(function, **arguments)
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", name]
    assert words in details[-1]
    assert "hunter2" not in "".join(details)


def test_a_repeated_argument_is_refused(machine):
    host_ref = machine.session.xenapi.host.get_by_uuid(HOST_UUID)
    body = xmlrpclib.dumps(
        (machine.session.handle, host_ref, "xsraid", "list_arrays", {"array": "md0"}),
        "host.call_plugin",
    )
    member = body[body.index("<member>") : body.index("</member>") + len("</member>")]
    url = machine.session._ServerProxy__host
    host, port = url.split(":")
    connection = httplib.HTTPConnection(host, int(port))
    connection.request("POST", "/", body.replace(member, member + member))
    (reply,) = xmlrpclib.loads(connection.getresponse().read())[0]
    assert reply["ErrorDescription"][:2] == ["XSRAID_BAD_ARGUMENT", "array"]
    assert "2 times" in reply["ErrorDescription"][-1]


def test_unknown_disks_and_arrays(machine):
    assert machine.refusal("create_array", level="1", devices="/dev/nope,/dev/nada")[:2] == [
        "XSRAID_UNKNOWN_DISK",
        "/dev/nope",
    ]
    assert (
        machine.refusal("create_array", level="1", devices="../../etc/passwd,/etc/passwd")[0]
        == "XSRAID_UNKNOWN_DISK"
    )
    assert machine.refusal("create_array", level="6", devices="a,b,c")[:4] == [
        "XSRAID_NOT_ENOUGH_DISKS",
        "raid6",
        "4",
        "3",
    ]
    assert machine.refusal("create_sr", array="m\xfcll")[:2] == ["XSRAID_UNKNOWN_ARRAY", "m\xfcll"]


def test_the_plugin_says_failures_in_the_reply_and_ends_with_0(machine):
    call = xmlrpclib.dumps(("OpaqueRef:none", {"level": "\u20ac"}), "create_array")
    process = subprocess.Popen(
        [machine.path("plugins/xsraid"), call],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin"},
    )
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    (reply,) = xmlrpclib.loads(out)[0]
    assert (reply["Status"], reply["ErrorDescription"][0]) == ("Failure", "XSRAID_BAD_ARGUMENT")


def test_a_xapi_that_is_gone_is_said(machine):
    """Outside the machine nobody serves /var/lib/xcp/xapi."""
    call = xmlrpclib.dumps(("OpaqueRef:none", {}), "list_disks")
    process = subprocess.Popen(
        [machine.path("plugins/xsraid"), call], stdout=subprocess.PIPE, env={"PATH": "/usr/bin"}
    )
    (reply,) = xmlrpclib.loads(process.communicate()[0])[0]
    assert process.returncode == 0
    assert reply["ErrorDescription"][0] in ("XSRAID_XAPI_GONE", "XSRAID_NOT_CONFIGURED")


def test_an_error_that_nobody_foresaw_is_a_reply_too(machine):
    os.mkdir(machine.path("etc/mdadm.conf"))
    try:
        details = machine.refusal("list_arrays")
    finally:
        os.rmdir(machine.path("etc/mdadm.conf"))
    assert details[:2] == ["XSRAID_INTERNAL", "list_arrays"]
    assert "journalctl -t xsraid" in details[-1]
