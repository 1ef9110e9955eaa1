"""mdadm's own monitor, as the service that the distribution ships."""

from xsraid.commands import run
from xsraid.errors import Timeout

SERVICE = "mdmonitor.service"
LIMIT_S = 30


def state(host):
    """Return `running`, `stopped` or `failed`."""
    try:
        words = run(host, ["systemctl", "is-active", SERVICE], LIMIT_S, accept=None).out.strip()
    except Timeout:
        return "failed"
    return {"active": "running", "activating": "running", "reloading": "running", "failed": "failed"}.get(words, "stopped")


def restart(host):
    """Let the monitor run from now on and at each boot, with what /etc/mdadm.conf says now. Raises CommandFailed, Timeout."""
    run(host, ["systemctl", "enable", SERVICE], LIMIT_S)
    run(host, ["systemctl", "restart", SERVICE], LIMIT_S)


def ensure_running(host):
    """Start the monitor if it is not running: newer ones end when there is no array to watch."""
    if state(host) != "running":
        run(host, ["systemctl", "start", SERVICE], LIMIT_S)
