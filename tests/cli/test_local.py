"""The command in a host's own dom0, with the real plugin."""


from conftest import PASSWORD  # noqa: F401


def test_disks(dom0, sysfs):
    done = dom0("disks")
    print(done)
    done = dom0("status")
    print(done)
    sysfs.array()
    done = dom0("status")
    print(done.out, done.err)
    done = dom0("status", "md0", "--json")
    print(done.out, done.err)
    print(dom0("version"))
    t = dom0.on_terminal("status")
    print(t.out, t.status)
    assert 0
