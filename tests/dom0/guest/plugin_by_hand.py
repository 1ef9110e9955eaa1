#!/usr/bin/python3.11
"""Run the plugin as xapi does and print its reply, whatever becomes of xapi meanwhile:
plugin_by_hand.py FUNCTION [NAME=VALUE ...]
"""

import subprocess
import sys
import xmlrpc.client

import XenAPI


def main():
    function, *arguments = sys.argv[1:]
    session = XenAPI.xapi_local()
    session.xenapi.login_with_password("root", "", "1.0", "miniature dom0")
    call = xmlrpc.client.dumps(
        (session.handle, dict(argument.split("=", 1) for argument in arguments)), function
    )
    sys.exit(
        subprocess.run(
            ["/etc/xapi.d/plugins/xsraid", call],
            env={"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"},
            check=False,
        ).returncode
    )


if __name__ == "__main__":
    main()
