"""Boot disks on which all is installed already: made once for the same facts, kept in
build/boot-images, and copied for each guest.
"""

import contextlib
import glob
import hashlib
import itertools
import os
import subprocess
import time

UNUSED_S = 24 * 3600


class BootImage:
    """The boot disk, in folder, of a guest that is made of these texts and of what is in these
    files and folders.
    """

    def __init__(self, folder, texts, paths):
        self._folder = folder
        self.path = f"{folder}/{_digest(texts, paths)}.img"

    def copy_to(self, target):
        """Copy the image, if it has been made; return whether it has."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.path)
            _copy(self.path, target)
            return True
        return False

    def keep(self, source):
        """Take the boot disk of a guest, at rest, as the image."""
        os.makedirs(self._folder, exist_ok=True)
        _copy(source, f"{self.path}.{os.getpid()}")
        os.rename(f"{self.path}.{os.getpid()}", self.path)
        for other in glob.glob(self._folder + "/*"):
            with contextlib.suppress(FileNotFoundError):
                if os.path.getmtime(other) < time.time() - UNUSED_S:
                    os.unlink(other)


def _copy(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


def _digest(texts, paths):
    digest = hashlib.sha256(repr(texts).encode())
    for name in itertools.chain.from_iterable(map(_files, paths)):
        with open(name, "rb") as stream:
            digest.update(name.encode() + b"\0" + hashlib.sha256(stream.read()).digest())
    return digest.hexdigest()[:16]


def _files(path):
    """Return the files that a path leads to, in order; no byte code."""
    if os.path.isfile(path):
        return [path]
    found = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sorted(name for name in found if not name.endswith(".pyc"))
