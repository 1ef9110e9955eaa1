"""What it takes to ask all 64 hosts of a simulated pool at once, by threads and by tasks, against
the slowest host; `make bench` prints it.

Each host answers after a tenth of a second, the slowest after two; each call of the plugin is a
process. The master and all hosts share this machine.
"""

import html
import re
import statistics
import tempfile
import time

from xapi.many_hosts import HOSTS_MAX, PASSWORD, QUICK, Pool
from xsraid_cli.remote import all_hosts, certificates, pool

TURNS = 5
SLOWEST_S, USUAL_S = 2.0, 0.1
REPLY = {"arrays": []}
QUESTION = ("list_arrays", {})


def by_threads(connected, hosts):
    """As the command does."""
    return [
        answer.replies[0] for answer in all_hosts.ask(connected, hosts, [QUESTION], 30, "status")
    ]


def by_tasks(connected, hosts):
    """As it could: start a task for each, wait for their events, take them away."""
    xenapi = connected.session.xenapi
    tasks = {
        xenapi.Async.host.call_plugin(host.ref, pool.PLUGIN, *QUESTION): host for host in hosts
    }
    results, token = {}, ""
    while len(results) < len(tasks):
        batch = getattr(xenapi.event, "from")(["task"], token, 30.0)
        token = batch["token"]
        for event in batch["events"]:
            if (
                event["operation"] != "del"
                and event["ref"] in tasks
                and event["snapshot"]["status"] != "pending"
            ):
                results[event["ref"]] = event["snapshot"]["result"]
    for task in tasks:
        xenapi.task.destroy(task)
    return [pool.parsed(html.unescape(re.sub("</?value>", "", results[task]))) for task in tasks]


def main():
    names = ["host%d" % number for number in range(1, HOSTS_MAX)]
    delays = dict(dict.fromkeys(names, USUAL_S), host9=SLOWEST_S)
    answers = {"*": {"list_arrays": REPLY}}
    with (
        tempfile.TemporaryDirectory() as folder,
        Pool(folder + "/pool", HOSTS_MAX, QUICK, delays=delays, answers=answers) as many,
    ):
        connected = pool.log_in(
            "http://" + many.address, "root", PASSWORD, certificates.AUTHORITIES
        )
        hosts = connected.hosts()
        for ask in (by_threads, by_tasks):
            print(
                "%d hosts, the slowest of which takes %.1f s, %s: %.2f times as long as that one"
                % (
                    HOSTS_MAX,
                    SLOWEST_S,
                    ask.__name__.replace("_", " "),
                    _median(ask, connected, hosts) / SLOWEST_S,
                )
            )
        connected.close()


def _median(ask, connected, hosts):
    taken = []
    for _ in range(TURNS):
        started = time.monotonic()
        assert ask(connected, hosts) == [REPLY] * HOSTS_MAX
        taken.append(time.monotonic() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
