"""xe: its syntax, its output to the blank, its words for failures."""

import re

import pytest

from tests.xapi.conftest import PASSWORD, reply

SR = """uuid ( RO)                : %s
          name-label ( RW): Local RAID10
    name-description ( RW): \

                host ( RO): first
                type ( RO): lvm
        content-type ( RO): user


"""


@pytest.fixture(scope="module")
def pool(server):
    return server.xe("pool-list", "--minimal")[1].strip()


def test_list(server):
    server.xe(
        "host-param-set",
        "uuid=" + server.host_uuid,
        "name-label=first",
        "name-description=in the rack",
    )
    assert server.xe("host-list") == (
        0,
        "uuid ( RO)                : %s\n          name-label ( RW): first\n"
        "    name-description ( RW): in the rack\n\n\n" % server.host_uuid,
        "",
    )
    assert server.xe("host-list", "params=name-label") == (
        0,
        "name-label ( RW)    : first\n\n\n",
        "",
    )
    assert server.xe("host-list", "--minimal") == (0, server.host_uuid + "\n", "")
    assert server.xe("host-list", "name-label=second") == (0, "", "")
    assert server.xe("host-list", "name-label=first", "params=name-description", "--minimal") == (
        0,
        "in the rack\n",
        "",
    )
    assert server.xe("sr-list") == (0, "", "")
    assert server.xe("host-list", "colour=red") == (1, "", "Error: Unknown field 'colour'\n")


def test_maps(server, pool):
    assert (
        server.xe("pool-param-set", "uuid=" + pool, "other-config:a=1", "other-config:b=2,3")[0]
        == 0
    )
    assert server.xe("pool-param-get", "uuid=" + pool, "param-name=other-config") == (
        0,
        "a: 1; b: 2,3\n",
        "",
    )
    assert server.xe(
        "pool-param-get", "uuid=" + pool, "param-name=other-config", "param-key=b"
    ) == (0, "2,3\n", "")
    assert server.xe(
        "pool-param-get", "uuid=" + pool, "param-name=other-config", "param-key=b", "--minimal"
    ) == (0, "2\\,3\n", "")
    assert server.xe(
        "pool-param-get", "uuid=" + pool, "param-name=other-config", "param-key=c"
    ) == (1, "", "Error: Key c not found in map\n")
    assert server.xe("pool-list", "other-config:a=1", "--minimal") == (0, pool + "\n", "")
    assert (
        server.xe("pool-param-remove", "uuid=" + pool, "param-name=other-config", "param-key=a")[0]
        == 0
    )
    assert server.xe(
        "pool-param-remove", "uuid=" + pool, "param-name=other-config", "param-key=a"
    ) == (1, "", "Error: Key a is not in map\n")
    assert "other-config (MRW): b: 2,3\n" in server.xe("pool-param-list", "uuid=" + pool)[1]
    assert server.xe("pool-param-clear", "uuid=" + pool, "param-name=other-config")[0] == 0


def test_secrets(server):
    status, output, _ = server.xe("secret-create", "value=geheim")
    uuid = output.strip()
    assert status == 0
    assert re.fullmatch("[0-9a-f-]{36}", uuid)
    assert server.xe("secret-list", "params=value", "uuid=" + uuid, "--minimal") == (
        0,
        "geheim\n",
        "",
    )
    assert server.xe("secret-destroy", "uuid=" + uuid) == (0, "", "")
    assert server.xe("secret-list") == (0, "", "")


def test_storage(server):
    uuid = "9b52cbd2-5a31-4c39-ae9b-3a6a2e4f1c11"
    server.xe("host-param-set", "uuid=" + server.host_uuid, "name-label=first")
    assert server.xe(
        "sr-introduce", "uuid=" + uuid, "name-label=Local RAID10", "type=lvm", "content-type=user"
    ) == (0, uuid + "\n", "")
    pbd = server.xe(
        "pbd-create",
        "host-uuid=" + server.host_uuid,
        "sr-uuid=" + uuid,
        "device-config:device=/dev/no",
    )[1].strip()
    assert server.xe("sr-list")[1] == SR % uuid
    assert (
        "device-config (MRO): device: /dev/no\n    currently-attached ( RO): false\n"
        in server.xe("pbd-list", "sr-uuid=" + uuid)[1]
    )
    status, _, errors = server.xe("pbd-plug", "uuid=" + pbd)
    assert status == 1
    assert errors.startswith(
        "Error code: SR_BACKEND_FAILURE_47\nError parameters: , The SR is not available [opterr=no "
        "such volume"
    )
    assert server.xe("sr-destroy", "uuid=" + uuid)[0] == 1
    assert server.xe("sr-param-get", "uuid=" + uuid, "param-name=PBDs") == (0, pbd + "\n", "")
    assert server.xe("sr-forget", "uuid=" + uuid) == (0, "", "")


def test_messages(server):
    assert server.xe(
        "message-create", "name=N", "priority=3", "body=text", "host-uuid=" + server.host_uuid
    ) == (0, "", "")
    output = server.xe("message-list", "name=N", "params=name,priority,class,body")[1]
    assert (
        output
        == "name ( RO)        : N\n    priority ( RO): 3\n       class ( RO): Host\n        body ( "
        "RO): text\n\n\n"
    )
    assert server.xe("task-list") == (0, "", "")


@pytest.mark.parametrize(
    "arguments, errors",
    [
        (["frobnicate"], "Unknown command: frobnicate\nFor usage run: 'xe help'\n"),
        (["vm-list"], "Unknown command: vm-list\nFor usage run: 'xe help'\n"),
        (["sr-destroy"], "Required parameter not found: uuid\nFor usage run: 'xe help'\n"),
        (
            ["host-call-plugin", "plugin=p"],
            "Required parameter not found: host-uuid\nFor usage run: 'xe help'\n",
        ),
        (["sr-destroy", "uuid=x"], "The uuid you supplied was invalid.\ntype: SR\nuuid: x\n"),
        (["sr-list", "word"], "Syntax error: word\nFor usage run: 'xe help'\n"),
        (
            ["sr-create", "name-label=x", "type=lvm"],
            "Error code: SR_BACKEND_FAILURE_90\nError parameters: , The request is missing the "
            "device parameter, \n",
        ),
    ],
)
def test_refusals(server, arguments, errors):
    assert server.xe(*arguments) == (1, "", errors)


def test_plugin_failures(server):
    server.plugin(
        "fails",
        reply(
            Status="Failure",
            ErrorDescription=["XSRAID_BAD_ARGUMENT", "level", "what would be right"],
        ),
    )
    call = ["host-call-plugin", "host-uuid=" + server.host_uuid, "fn=go"]
    assert server.xe(*call, "plugin=fails") == (
        1,
        "",
        "Error code: XSRAID_BAD_ARGUMENT\nError parameters: level, what would be right\n",
    )
    assert server.xe(*call, "plugin=absent") == (
        1,
        "",
        "The requested plugin could not be found.\nname: absent\n",
    )


def test_without_a_server(server):
    assert server.xe("host-list", "-s", "127.0.0.1", "-p", "1")[0] == 1
    host, port = server.address.split(":")
    there = ["host-list", "--minimal", "-s", host, "-p", port, "-u", "root", "-pw"]
    assert server.xe(*there, "wrong") == (
        1,
        "",
        "Authentication failed\nFor usage run: 'xe help'\n",
    )
    assert server.xe(*there, PASSWORD) == (0, server.host_uuid + "\n", "")
