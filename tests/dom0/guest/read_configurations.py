#!/usr/bin/python3.11
"""Has mdadm read configurations: what each line of them finds, whom it would mail. In the guest, as
root without CAP_SYS_ADMIN, so that no array is made of what is found.

read_configurations.py FILE: a JSON list of texts, one character for each byte; prints a JSON list
of [status, messages of --assemble, of --monitor].
cat stands for sendmail: what mdadm mails is among the messages.
"""

import glob
import json
import os
import subprocess
import sys

CONFIGURATION = "/run/configuration"


def said(argv):
    """Return the exit status of a command and all that it wrote, one character for each byte."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=20,
    )
    return done.returncode, done.stdout.decode("latin-1")


def main(path):
    os.environ.update(MDADM_NO_UDEV="1", MDADM_CONF_AUTO="-all")
    with open(path, encoding="utf-8") as given:
        texts = json.load(given)
    found = []
    for text in texts:
        config = []
        if text is not None:
            with open(CONFIGURATION, "wb") as written:
                written.write(text.encode("latin-1"))
            config = ["--config=" + CONFIGURATION]
        status, assembled = said(["mdadm", "--assemble", "--scan", "-v", "-v", *config])
        _, monitored = said(["mdadm", "--monitor", "--test", "--oneshot", *config, "/dev/nothing"])
        found.append([status, assembled, monitored])
        for node in glob.glob("/dev/md[0-9]*") + glob.glob("/dev/md/*"):
            os.unlink(node)
    json.dump(found, sys.stdout)


main(sys.argv[1])
