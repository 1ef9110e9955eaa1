"""The Python that plays dom0's in the miniature dom0: that it is the chosen one, and that rpm is
told the truth about it.
"""

DOM0_OPTIONS = {"rpm": "", "disks": ()}
PREFERRED_PYTHON = "3.6"


def test_python_is_the_chosen_one(dom0):
    command, choice = dom0.python.command, dom0.python.choice
    version = dom0.run(
        [command, "-c", "import sys, XenAPI, XenAPIPlugin; print('%d.%d' % sys.version_info[:2])"]
    ).out.strip()
    assert version == {"system": "3.11"}.get(choice, choice)
    others = {"2.7": "python3", "3.6": "python2", "system": "python2"}[choice]
    assert dom0.run(f"command -v {others}", check=False).status != 0
    assert dom0.run([command, "-c", "import pip"], check=False).status != 0


def test_packages_that_rpm_asks_for(dom0):
    wanted = [
        "mdadm",
        "ssmtp",
        "xapi-core",
        "lvm2",
        "systemd",
        "util-linux",
        "coreutils",
        "/bin/sh",
        "/usr/bin/" + dom0.python.command,
    ]
    dom0.run(["rpm", "--query", "--whatprovides", *wanted])
    assert (
        dom0.run("rpm --query --whatprovides /usr/bin/python2 /usr/bin/python3", check=False).status
        == 1
    )
