"""The PROGRAM of mdadm's monitor puts down whatever mdadm tells, in whatever locale it is run."""

import io
import os
import subprocess
import sys

import pytest

from xsraid.alerts import spool
from xsraid.host.files import Host

HOOK = os.path.join(
    os.path.dirname(__file__), "..", "..", "rpm", "usr", "libexec", "xsraid", "event-hook"
)


@pytest.mark.parametrize(
    "device", [b"/dev/md0", b"/dev/md/b\xc3\xbccher", b"/dev/md/b\xfccher", b"/dev/md/a\nevent=x"]
)
def test_names_in_any_encoding_are_put_down_as_they_are(tmpdir, device):
    with io.open(HOOK, encoding="utf-8") as source:
        text = source.read()
    folder = tmpdir.ensure("var/lib/xsraid/spool", dir=True)
    assert '"/var/lib/xsraid/spool"' in text
    assert '"/usr/bin/systemctl"' in text
    hook = tmpdir.join("hook")
    hook.write(
        text.replace("/var/lib/xsraid/spool", str(folder)).replace(
            "/usr/bin/systemctl", "/bin/true"
        )
    )
    subprocess.check_call([sys.executable, str(hook), "Fail", device], env={"LC_ALL": "C"})
    (name,) = [entry.basename for entry in folder.listdir()]
    with open(str(folder.join(name)), "rb") as put:
        assert put.read().startswith(b"event=Fail\ndevice=" + device.replace(b"\n", b" ") + b"\n")
    (event,) = spool.events(Host(str(tmpdir)))
    assert event.event == "Fail"
    assert event.device.startswith("/dev/md")
