#!/usr/bin/env python3
"""From bare disks to a monitored array with a storage repository, from any workstation. It needs
Python 3 and XenAPI (pip install XenAPI).

    python3 workstation.py https://pool-master.example.com dom0 10
      /dev/sdb,/dev/sdc,/dev/sdd,/dev/sde \\
        --mail-to admin@example.com --mail-from dom0@example.com --smtp-host smtp.example.com
          --smtp-user dom0@example.com

It asks for the passwords: root's, and the mail server's when there is a user for it.
"""

import argparse
import getpass
import json
import sys
import time

import XenAPI


def log_in(url, user, password):
    """Return a session on the pool's master, whichever member was named."""
    session = XenAPI.Session(url)
    try:
        session.login_with_password(user, password, "1.0", "xsraid workstation example")
    except XenAPI.Failure as failure:
        if failure.details[0] != "HOST_IS_SLAVE":
            raise
        return log_in("%s://%s" % (url.split("://")[0], failure.details[1]), user, password)
    return session


def caller(session, host_name):
    """Return a function that calls a function of the plugin on that host and returns its reply,
    parsed.
    """
    hosts = session.xenapi.host.get_by_name_label(host_name)
    if len(hosts) != 1:
        sys.exit("There are %d hosts named %s in this pool." % (len(hosts), host_name))

    def call(function, **arguments):
        return json.loads(session.xenapi.host.call_plugin(hosts[0], "xsraid", function, arguments))

    return call


def set_up(session, call, options):
    array = call("create_array", level=options.level, devices=options.devices)["array"]
    print("%s is there: %s, %d bytes" % (array["device"], array["level"], array["size_bytes"]))
    settings = {
        "mail_to": options.mail_to,
        "mail_from": options.mail_from,
        "smtp_host": options.smtp_host,
    }
    if options.smtp_user:
        secret = session.xenapi.secret.create(
            {"value": getpass.getpass("Password of %s: " % options.smtp_user), "other_config": {}}
        )
        settings.update(
            smtp_user=options.smtp_user, smtp_password_secret=session.xenapi.secret.get_uuid(secret)
        )
    for warning in call("configure_alerts", **settings)["warnings"]:
        print("Beware:", warning)
    for delivery in call("test_alert", array=array["uuid"])["deliveries"]:
        print("Test alert by %(channel)s: %(response)s" % delivery)
    print("Storage repository", call("create_sr", array=array["uuid"])["sr_uuid"])
    return array["uuid"]


def watch(call, uuid):
    """Show how far the array is until nothing is under way on it; it can be used meanwhile."""
    while True:
        array = call("list_arrays", array=uuid)["arrays"][0]
        print(
            "%s: %s, %d more failures survived"
            % (array["device"], array["health"], array["redundancy_left"])
        )
        if not array["sync"]:
            return
        time.sleep(5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", help="URL of the pool's master or of any member")
    parser.add_argument("host", help="name of the host that has the disks")
    parser.add_argument("level", help="0, 1, 5, 6 or 10")
    parser.add_argument("devices", help="disks, comma separated")
    for name in ("--mail-to", "--mail-from", "--smtp-host"):
        parser.add_argument(name, required=True)
    parser.add_argument("--smtp-user")
    parser.add_argument("--user", default="root")
    options = parser.parse_args()
    session = log_in(options.pool, options.user, getpass.getpass("Password of %s: " % options.user))
    try:
        call = caller(session, options.host)
        watch(call, set_up(session, call, options))
    except XenAPI.Failure as failure:
        # The plugin's last word is a sentence for people.
        sys.exit("%s: %s" % (failure.details[0], failure.details[-1]))
    finally:
        session.xenapi.session.logout()


if __name__ == "__main__":
    main()
