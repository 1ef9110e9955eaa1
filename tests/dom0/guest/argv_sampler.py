#!/usr/bin/python3.11
"""argv_sampler.py SECRET-FILE OUT: looks at every process's argument list, over and over until it
is ended.

Each list that holds the secret becomes a line of OUT, which begins with the number of looks so far.
"""

import os
import sys


def holders(secret):
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as cmdline:
                words = cmdline.read()
        except OSError:
            continue  # it has ended
        if secret in words:
            yield words.replace(b"\0", b" ").decode(errors="replace")


def main(secret_file, out):
    with open(secret_file, "rb") as source:
        secret = source.read().strip()
    found, looks = set(), 0
    while True:
        found.update(holders(secret))
        looks += 1
        with open(out + ".new", "w") as target:
            target.write("\n".join([str(looks), *sorted(found)]) + "\n")
        os.rename(out + ".new", out)


if __name__ == "__main__":
    main(*sys.argv[1:])
