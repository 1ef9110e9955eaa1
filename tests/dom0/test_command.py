"""The command `xsraid` as the RPM brings it, in dom0: from bare disks to a monitored SR, a drill
and a repair, as an administrator types it.
"""

import json

from tests.dom0.dom0 import SMTP_HOST, SMTP_PASSWORD, SMTP_USER
from tests.dom0.steps import devices, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5")}
PREFERRED_PYTHON = "2.7"


def short(dom0, *names):
    return [device[len("/dev/") :] for device in devices(dom0, *names)]


def typed(dom0, command, status=0, stdin=""):
    """Type a command and return what it writes; it must end with that status."""
    done = dom0.run(f"xsraid {command}", check=False, stdin=stdin)
    assert done.status == status, (command, done)
    return done.out if status in (0, 3) else done.err


def test_from_bare_disks_to_a_repaired_array(fresh_dom0):
    members, (new,) = short(fresh_dom0, "d0", "d1", "d2", "d3"), short(fresh_dom0, "d4")
    assert all(name in typed(fresh_dom0, "disks") for name in members)
    # Nobody is there to be asked.
    assert "--yes" in typed(fresh_dom0, f"create --level 10 {' '.join(members)}", status=2)
    typed(fresh_dom0, f"create --yes --level 10 {' '.join(members)}")
    settled(fresh_dom0)
    fresh_dom0.run(
        f"printf '{SMTP_PASSWORD}\\n' >/run/secret && xsraid alerts set --yes --mail-to "
        f"admin@example.com --mail-from {SMTP_USER} "
        f"--smtp-host {SMTP_HOST} --smtp-user {SMTP_USER} --smtp-password-fd 3 3</run/secret"
    )
    assert "250" in typed(fresh_dom0, "alerts test")
    typed(fresh_dom0, "sr create --yes md0")
    assert "Local RAID10 md0" in typed(fresh_dom0, "status")
    serial = fresh_dom0.disk("d1").serial
    typed(fresh_dom0, f"fail --confirm {serial} --yes md0 {members[1]}")
    assert "degraded" in typed(fresh_dom0, "status", status=3)
    assert (
        json.loads(typed(fresh_dom0, "status --json md0", status=3))["arrays"][0]["health"]
        == "degraded"
    )
    typed(fresh_dom0, f"replace --yes md0 {members[1]} {new}")
    settled(fresh_dom0)
    assert "optimal" in typed(fresh_dom0, "status md0")
    assert "no member" in typed(fresh_dom0, f"remove --yes md0 {members[1]}", status=1)
    assert "md0" in typed(fresh_dom0, "alerts history")
    assert SMTP_PASSWORD not in fresh_dom0.run("journalctl --boot").out


def test_what_comes_with_it(fresh_dom0):
    assert (
        "xsraid(8)" in fresh_dom0.run("head -40 /usr/share/man/man8/xsraid.8*").out
        or fresh_dom0.run("ls /usr/share/man/man8/xsraid.8*").out
    )
    words = fresh_dom0.run(
        "source /usr/share/bash-completion/completions/xsraid; complete -p xsraid"
    ).out
    assert "xsraid" in words
