"""SR and PBD records, and the storage manager's way, with files and stand-ins for devices; the real
device is the miniature dom0's matter.
"""

import os

import pytest

from xapi.failure import Failure
from xapi.faults import Faults
from xapi.storage_manager import CommandFailed, StorageManager

LVM = ("0", "name", "", "lvm", "user", False, {})


@pytest.fixture
def host(xenapi):
    return xenapi.host.get_all()[0]


@pytest.fixture
def sr(xenapi):
    ref = xenapi.SR.introduce("", "name", "", "lvm", "user", False, {})
    yield ref
    xenapi.SR.forget(ref)


def test_failed_create_leaves_no_records(server, xenapi, host, failure):
    assert failure(xenapi.SR.create, host, {"device": "/no/such"}, *LVM) == [
        "SR_BACKEND_FAILURE_19",
        "",
        "No such device [opterr=Device /no/such does not exist]",
        "",
    ]
    assert (
        failure(xenapi.SR.create, host, {"device": server.root_device}, *LVM)[0]
        == "SR_BACKEND_FAILURE_105"
    )
    assert failure(xenapi.SR.create, host, {}, *LVM) == [
        "SR_BACKEND_FAILURE_90",
        "",
        "The request is missing the device parameter",
        "",
    ]
    assert failure(
        xenapi.SR.create, host, {"device": "/no/such"}, "0", "", "", "nfs", "", False, {}
    ) == ["SR_UNKNOWN_DRIVER", "nfs"]
    assert failure(xenapi.SR.create, "OpaqueRef:x", {"device": "/no/such"}, *LVM) == [
        "HANDLE_INVALID",
        "host",
        "OpaqueRef:x",
    ]
    assert xenapi.SR.get_all() == xenapi.PBD.get_all() == []


def test_create_wipes_without_asking(make_server, failure):
    server = make_server(version="8.2.1")
    xenapi = server.session().xenapi
    device = server.write("device", "precious" * 2000000)
    details = failure(xenapi.SR.create, xenapi.host.get_all()[0], {"device": device}, *LVM)
    # A file is no device for LVM, but that comes after the wipe.
    assert details[0] == "SR_BACKEND_FAILURE_55"
    with open(device, "rb") as stream:
        assert stream.read().strip(b"\0") == b""


def test_device_of_another_pbd_is_in_use(server, xenapi, host, sr, failure):
    os.symlink("/no/such", server.folder + "/alias")
    xenapi.PBD.create({"host": host, "SR": sr, "device_config": {"device": "/no/such"}})
    assert failure(xenapi.SR.create, host, {"device": server.folder + "/alias"}, *LVM) == [
        "SR_DEVICE_IN_USE"
    ]


def test_introduce(xenapi, failure):
    uuid = "9b52cbd2-5a31-4c39-ae9b-3a6a2e4f1c11"
    sr = xenapi.SR.introduce(uuid, "name", "", "LVM", "user", False, {})
    assert (xenapi.SR.get_uuid(sr), xenapi.SR.get_type(sr), xenapi.SR.get_physical_size(sr)) == (
        uuid,
        "lvm",
        "-1",
    )
    assert failure(xenapi.SR.introduce, uuid, "name", "", "lvm", "user", False, {}) == [
        "SR_UUID_EXISTS",
        uuid,
    ]
    assert failure(xenapi.SR.destroy, sr) == ["SR_NO_PBDS", sr]
    xenapi.SR.forget(sr)


def test_pbds(xenapi, host, sr, failure):
    pbd = xenapi.PBD.create({"host": host, "SR": sr, "device_config": {"device": "/no/such"}})
    assert failure(xenapi.PBD.create, {"host": host, "SR": sr, "device_config": {}}) == [
        "PBD_EXISTS",
        sr,
        host,
        pbd,
    ]
    assert "host" in failure(xenapi.PBD.create, {"SR": sr, "device_config": {}})[1]
    assert xenapi.SR.get_PBDs(sr) == [pbd]
    assert pbd in xenapi.host.get_PBDs(host)
    details = failure(xenapi.PBD.plug, pbd)
    assert details[0] == "SR_BACKEND_FAILURE_47"
    assert "no such volume group: VG_XenStorage-" in details[2]
    assert xenapi.PBD.get_currently_attached(pbd) is False
    xenapi.PBD.unplug(pbd)
    xenapi.PBD.destroy(pbd)
    assert xenapi.SR.get_PBDs(sr) == []


def test_pbd_that_cannot_be_plugged_at_start(make_server):
    server = make_server()
    xenapi = server.session().xenapi
    sr = xenapi.SR.introduce("", "name", "", "lvm", "user", False, {})
    pbd = xenapi.PBD.create(
        {"host": xenapi.host.get_all()[0], "SR": sr, "device_config": {"device": "/no/such"}}
    )
    server.kill()
    server.start()
    xenapi = server.session().xenapi
    assert xenapi.PBD.get_currently_attached(pbd) is False
    assert [
        (record["name"], record["obj_uuid"]) for record in xenapi.message.get_all_records().values()
    ] == [("PBD_PLUG_FAILED_ON_SERVER_START", server.host_uuid)]


def test_faults(make_server, failure):
    server = make_server()
    xenapi = server.session().xenapi
    server.write("faults/pool.get_all.fail.once", "SOME_CODE\none\ntwo\n")
    assert failure(xenapi.pool.get_all) == ["SOME_CODE", "one", "two"]
    pool = xenapi.pool.get_all()[0]
    server.write("faults/pool.set_name_label.die-after", "")
    with pytest.raises(OSError):
        xenapi.pool.set_name_label(pool, "took effect")
    assert server.process.wait(5) == 137
    server.start()
    assert server.session().xenapi.pool.get_name_label(pool) == "took effect"


class Tools:
    """LVM's commands as far as the storage manager uses them, with the volume groups in memory."""

    def __init__(self):
        self.groups = {}

    def run(self, command, *arguments):
        if command == "vgcreate":
            self.groups[arguments[0]] = set()
        elif command == "lvcreate":
            self.groups[arguments[-1]].add(arguments[arguments.index("-n") + 1])
        elif command == "lvremove":
            self.groups[arguments[-1].split("/")[0]].discard(arguments[-1].split("/")[1])
        elif command == "vgremove":
            del self.groups[arguments[0]]
        elif command in ("vgs", "lvs", "vgchange") and arguments[-1] not in self.groups:
            raise CommandFailed(5)
        return {
            "blockdev": "1000000",
            "vgs": "1000000 400000",
            "lvs": "\n".join(self.groups.get(arguments[-1], [])),
            "pvs": " ".join(self.groups),
        }.get(command, "")


@pytest.fixture
def manager(tmp_path):
    manager, tools = StorageManager(Faults(), print), Tools()
    manager.run, manager.groups = tools.run, tools.groups
    device = tmp_path / "device"
    device.write_text("")

    def carry_out(operation, sm_config=None, uuid="u"):
        return manager.carry_out(
            operation, uuid, "lvm", {"device": str(device)}, sm_config or {}, []
        )

    manager.do = carry_out
    return manager


def test_lvm_from_create_to_destroy(manager):
    assert manager.do("sr_create") == {"sm_config": {"use_vhd": "true"}}
    assert manager.groups == {"VG_XenStorage-u": set()}
    figures = manager.do("sr_attach", {"use_vhd": "true"})
    assert manager.groups == {"VG_XenStorage-u": {"MGT"}}
    assert (figures["physical_size"], figures["physical_utilisation"]) == (1000000, 600000)
    manager.do("sr_detach")
    manager.do("sr_delete")
    assert manager.groups == {}


def test_lvm_takes_what_its_device_has_grown_by_from_100_mib_on(manager):
    commands, sizes_bytes = [], [1000000 + (100 << 20) - 1, 1000000 + (100 << 20)]
    run = manager.run
    manager.run = lambda *words: (
        commands.append(words[0])
        or (str(sizes_bytes.pop(0)) if words[0] == "blockdev" else run(*words))
    )
    manager.do("sr_create")
    manager.do("sr_scan")
    assert "pvresize" not in commands
    manager.do("sr_scan")
    assert "pvresize" in commands


def test_lvm_refuses_to_destroy_volumes(manager):
    manager.do("sr_create")
    manager.groups["VG_XenStorage-u"].add("VHD-1")
    with pytest.raises(Failure) as caught:
        manager.do("sr_delete")
    assert caught.value.description == ["SR_NOT_EMPTY"]


def test_attached_without_its_group(manager):
    with pytest.raises(Failure) as caught:
        manager.do("sr_attach")
    assert caught.value.description == [
        "SR_BACKEND_FAILURE_47",
        "",
        "The SR is not available [opterr=no such volume group: VG_XenStorage-u]",
        "",
    ]
