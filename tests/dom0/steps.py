"""Steps that several tests of the miniature dom0 take."""

import pytest

from tests.dom0.dom0 import SMTP_HOST, SMTP_PASSWORD, SMTP_USER, XapiFailure

ALERTS = {"mail_to": "admin@example.com", "mail_from": SMTP_USER, "smtp_host": SMTP_HOST}
DISK_BYTES = 128 << 20


def one_of(first, *others):
    """Return the values of a parameter, or tuples of several, for a test that does the same for
    each: `make test` tries the first alone.
    """
    return [
        first,
        *(
            pytest.param(
                *(other if isinstance(other, tuple) else [other]), marks=pytest.mark.exhaustive
            )
            for other in others
        ),
    ]


def refusal(dom0, function, /, **arguments):
    """Return [code, parameters ...] of a call that must fail."""
    with pytest.raises(XapiFailure) as caught:
        dom0.call(function, **arguments)
    return [caught.value.code, *caught.value.params]


def devices(dom0, *names):
    """Return the device nodes that disks have now."""
    disks = dom0.disks()
    return [disks[name].device for name in names]


def create(dom0, *names, level="1", **more):
    """Make an array of these disks, whatever is on them; return its record."""
    return dom0.call("create_array", level=level, devices=devices(dom0, *names), wipe=True, **more)[
        "array"
    ]


def configure(dom0, password=SMTP_PASSWORD, **more):
    """Configure alerts for the mail server of the miniature dom0, the password as a secret; return
    the reply.
    """
    secret = dom0.xe("secret-create value=" + password).strip()
    return dom0.call(
        "configure_alerts",
        **{**ALERTS, "smtp_user": SMTP_USER, "smtp_password_secret": secret, **more},
    )


def limit_sync(dom0, kib_s):
    """Have md synchronise as fast as that and no faster, until the next reset or boot."""
    dom0.run(f"cd /proc/sys/dev/raid && echo {kib_s} | tee speed_limit_min speed_limit_max")


def settled(dom0, array="md0"):
    """Return the array once nothing is under way on it."""

    def idle():
        record = dom0.call("list_arrays", array=array)["arrays"][0]
        return None if record["sync"] else record

    return dom0.wait_until(idle)


def still(dom0, array="md0"):
    """Have md write now what it would write on its own later: the end of what is under way, and the
    bits of its bitmap that are clear by now.
    """
    node = settled(dom0, array)["device"]
    dom0.run(f"mdadm --readonly {node} && mdadm --readwrite {node}")
