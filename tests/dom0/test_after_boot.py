"""What the main job made is there again after a reboot and after a power cut, whatever the disks are called by then."""
from steps import DISK_BYTES, configure, devices, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
ANOTHER_ORDER = ("d3", "d1", "d0", "d2")


def attached(dom0):
    return dom0.xe("pbd-list params=currently-attached --minimal").strip()


def test_array_sr_and_alerts_survive_a_reboot(fresh_dom0):
    configure(fresh_dom0)
    array = fresh_dom0.call("create_array", level=10, devices=devices(fresh_dom0, "d0", "d1", "d2", "d3"))["array"]
    sr = fresh_dom0.call("create_sr", array="md0")
    fresh_dom0.run(f"lvcreate -q -y -L 8M -n disk VG_XenStorage-{sr['sr_uuid']} && echo precious >/dev/VG_XenStorage-{sr['sr_uuid']}/disk && sync")
    settled(fresh_dom0)
    fresh_dom0.reboot(ANOTHER_ORDER)
    fresh_dom0.wait_until_xapi()
    again = settled(fresh_dom0)
    assert (again["uuid"], again["device"], again["health"], again["sr"]["uuid"]) == (array["uuid"], "/dev/md0", "optimal", sr["sr_uuid"])
    assert [member["serial"] for member in again["members"]] == [member["serial"] for member in array["members"]]
    assert [member["device"] for member in again["members"]] != [member["device"] for member in array["members"]]
    assert attached(fresh_dom0) == "true" and fresh_dom0.call("create_sr", array="md0") == dict(sr, created=False)
    assert fresh_dom0.run(f"lvchange -ay VG_XenStorage-{sr['sr_uuid']}/disk && head -n 1 /dev/VG_XenStorage-{sr['sr_uuid']}/disk").out == "precious\n"
    assert fresh_dom0.call("get_alerts")["monitor"] == "running"
    assert fresh_dom0.call("test_alert")["deliveries"][0]["accepted"]


def test_a_power_cut_while_it_synchronises(fresh_dom0):
    fresh_dom0.run("echo 5000 >/proc/sys/dev/raid/speed_limit_max")
    array = fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))["array"]
    assert array["health"] == "resyncing"
    sr = fresh_dom0.call("create_sr", array="md0")
    fresh_dom0.run("sync")
    fresh_dom0.cut_power()
    fresh_dom0.boot()
    fresh_dom0.wait_until_xapi()
    again = fresh_dom0.call("list_arrays")["arrays"][0]
    assert (again["uuid"], again["device"], again["configured"]) == (array["uuid"], "/dev/md0", True)
    assert again["health"] in ("resyncing", "optimal") and again["sr"]["uuid"] == sr["sr_uuid"] and attached(fresh_dom0) == "true"
