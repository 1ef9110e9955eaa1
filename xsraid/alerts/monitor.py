"""mdadm's own monitor, as the service that the distribution ships."""

from __future__ import absolute_import

from xsraid.errors import Timeout
from xsraid.host.process import run

SERVICE = "mdmonitor.service"
LIMIT_S = 30


def state(host):
    """Return `running`, `stopped` or `failed`."""
    try:
        words = run(host, ["systemctl", "is-active", SERVICE], LIMIT_S, accept=None).out.strip()
    except Timeout:
        return "failed"
    return {
        "active": "running",
        "activating": "running",
        "reloading": "running",
        "failed": "failed",
    }.get(words, "stopped")


def enable(host, restart):
    """Let the monitor run at each boot and, if `restart`, from now on with what /etc/mdadm.conf
    says now. Raises CommandFailed, Timeout.

    restart: whether there is an array to watch. From 4.2 on mdadm ends at once where there is none,
    which systemd takes for a failed start.
    """
    run(host, ["systemctl", "enable", SERVICE], LIMIT_S)
    if restart:
        run(host, ["systemctl", "restart", SERVICE], LIMIT_S)


def ensure_running(host):
    """Start the monitor if it is not running; one that runs finds new arrays by itself. Raises
    CommandFailed, Timeout.
    """
    if state(host) != "running":
        run(host, ["systemctl", "start", SERVICE], LIMIT_S)
