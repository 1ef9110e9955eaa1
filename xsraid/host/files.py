"""The machine's files: read them, replace them whole, hold the lock, write the log. `process` runs
commands.
"""

from __future__ import absolute_import

import errno
import fcntl
import grp
import os
import stat
import syslog
import time

from xsraid.errors import Busy, CommandFailed
from xsraid.host import clock
from xsraid.text import native, printable, to_bytes

TOOLS_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
STATE_DIR = "/var/lib/xsraid"
LOCK_FILE = "/run/lock/xsraid.lock"
# The second line of a Lock's file when others wait for its holder, and how long they do.
BRIEF, BRIEF_S, LOOK_S = "brief", 10, 0.05
ASIDE = ".xsraid-new"
LOG_LEVELS = {"debug": syslog.LOG_DEBUG, "info": syslog.LOG_INFO, "warning": syslog.LOG_WARNING}
COMMAND_LIMIT_S = 60
READ_BYTES = 65536
ATTRIBUTE_BYTES = 4096  # a sysfs attribute is at most one page, and one read gives all of it
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)


class Host(object):
    """One machine. root: the folder that stands for `/`; tools_path: where commands are looked for,
    like $PATH.
    """

    def __init__(self, root="/", tools_path=TOOLS_PATH):
        self.root = root.rstrip("/")
        self.tools_path = tools_path
        # Until `config.load` finds others.
        self.log_level, self.command_limit_s = syslog.LOG_INFO, COMMAND_LIMIT_S
        self.lock_descriptor = None
        self._when_replied = []

    def when_replied(self, act):
        """Have act() called once the reply is out: until then the caller may have to repeat the
        call.
        """
        self._when_replied.append(act)

    def replied(self):
        """Say that the reply is out."""
        while self._when_replied:
            self._when_replied.pop(0)()

    def path(self, path):
        """Return an absolute path of this machine as a path that this process can open."""
        return self.root + path

    def read(self, path):
        """Return a file's text. Raises EnvironmentError."""
        # Not open(): it makes twice the system calls, and sysfs is many small files.
        descriptor = os.open(self.path(path), os.O_RDONLY)
        try:
            chunks = [os.read(descriptor, READ_BYTES)]
            while chunks[-1]:
                chunks.append(os.read(descriptor, READ_BYTES))
        finally:
            os.close(descriptor)
        return native(b"".join(chunks))

    def read_pieces(self, path, wanted):
        """Return [(offset, bytes)] of pieces of a file or device; wanted: [(offset, count)], a
        negative offset counts from the end.

        A piece that lies beyond the file's head or end is short or empty.
        """
        pieces = []
        descriptor = os.open(self.path(path), os.O_RDONLY)
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            for offset, count in wanted:
                at = max(0, offset if offset >= 0 else end + offset)
                # A block device takes no place beyond its end.
                os.lseek(descriptor, min(at, end), os.SEEK_SET)
                pieces.append((at, os.read(descriptor, count)))
        finally:
            os.close(descriptor)
        return pieces

    def read_if_there(self, path):
        """Return a file's text, None when there is no such file (or the device behind it has just
        gone).
        """
        try:
            return self.read(path)
        except EnvironmentError as error:
            if error.errno in ABSENT:
                return None
            raise

    def attribute(self, path):
        """Return a sysfs attribute without its line end, None when it is not there."""
        try:
            descriptor = os.open(self.path(path), os.O_RDONLY)
            try:
                return native(os.read(descriptor, ATTRIBUTE_BYTES)).strip()
            finally:
                os.close(descriptor)
        except EnvironmentError as error:
            if error.errno in ABSENT:
                return None
            raise

    def write_attribute(self, path, text):
        """Write a sysfs attribute. Raises CommandFailed."""
        try:
            descriptor = os.open(self.path(path), os.O_WRONLY)
            try:
                os.write(descriptor, to_bytes(text))
            finally:
                os.close(descriptor)
        except EnvironmentError as error:
            raise CommandFailed(
                "write %s" % path,
                errno.errorcode.get(error.errno, error.errno),
                os.strerror(error.errno),
            )

    def names(self, path):
        """Return the sorted names in a folder, none when it is not there."""
        try:
            return sorted(native(name) for name in os.listdir(to_bytes(self.path(path))))
        except EnvironmentError as error:
            if error.errno in ABSENT:
                return []
            raise

    def real_path(self, path):
        """Return where a path leads, as a path of this machine."""
        return native(os.path.realpath(to_bytes(self.path(path))))[len(self.root) :]

    def device_number(self, path):
        """Return "major:minor" of a block device by any of its names, None for whatever is no block
        device.
        """
        try:
            status = os.stat(to_bytes(self.path(path)))
        # A NUL in the name is a ValueError, on Python 2 a TypeError.
        except (EnvironmentError, ValueError, TypeError):
            return None
        if not stat.S_ISBLK(status.st_mode):
            return None
        return "%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))

    def replace(self, path, text, mode=None, group=None):
        """Replace one file whole, see `stage`."""
        self.stage(path, text, mode, group).commit()

    def stage(self, path, text, mode=None, group=None):
        """Write a file's new content aside, on disk but not yet in its place; return the
        StagedFile.

        mode: set before the content is written; None keeps the mode of the file that is there (0644
        where there is none).
        group: name of the group that shall own it, where this host has one. Raises CommandFailed;
        then the old file is as it was.
        """
        return StagedFile(self.path(path), to_bytes(text), mode, group)

    def remove(self, path):
        """Remove a file if there is one, so that it is gone after a power cut, too."""
        if os.path.isfile(self.path(path)):
            os.unlink(self.path(path))
            _sync(os.path.dirname(self.path(path)))

    def move(self, old, new):
        """Put a file that is whole in the place of another, both in one folder."""
        _sync(self.path(old))
        os.rename(self.path(old), self.path(new))
        _sync(os.path.dirname(self.path(new)))

    def lock(self, who, is_brief=False):
        """Return the one Lock that all changing functions share, to be entered. Entering raises
        Busy.

        who: what to tell others; is_brief: nobody has asked for what will be done and it takes a
        moment, so that others wait for it.
        """
        return Lock(self, who, is_brief)

    def log(self, message, level=syslog.LOG_INFO):
        """Write one line to the system log; lower levels than the configured one are left out."""
        if level <= self.log_level:
            syslog.openlog("xsraid", syslog.LOG_PID, syslog.LOG_DAEMON)
            syslog.syslog(level, printable(message, 2000).replace("\n", " | "))


class Lock(object):
    """An flock: it ends with the process that holds it and the commands that this has started,
    whatever ends them.
    """

    def __init__(self, host, who, is_brief):
        self.host, self.is_kept = host, False
        self.text = "%s, process %d\n%s\n" % (who, os.getpid(), BRIEF if is_brief else "")

    def __enter__(self):
        descriptor = os.open(self.host.path(LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, to_bytes(self.text))
        self.host.lock_descriptor = descriptor
        return self

    def _wait(self, descriptor):
        """Take the lock, as soon as whoever holds it for a moment has let it go. Raises Busy."""
        deadline = clock.monotonic_s() + BRIEF_S
        while not take_lock(descriptor):
            os.lseek(descriptor, 0, os.SEEK_SET)
            holder, _, more = native(os.read(descriptor, 200)).partition("\n")
            # None: it has just taken it.
            if holder and more.strip() != BRIEF or clock.monotonic_s() > deadline:
                raise Busy(holder or "it did not say which")
            time.sleep(LOOK_S)

    def __exit__(self, *_):
        if not self.is_kept:
            self.release()

    def keep(self):
        """Hold it beyond the context, until `release` or the end of the process."""
        self.is_kept = True

    def release(self):
        """Let others have it."""
        os.close(self.host.lock_descriptor)
        self.host.lock_descriptor = None


def take_lock(descriptor):
    """Take an flock on an open file, which programs that are started do not inherit; return whether
    it is ours now.
    """
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except EnvironmentError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


class StagedFile(object):
    """A file's new content beside the old: `commit` puts it in place in one step, `discard` forgets
    it.
    """

    def __init__(self, path, content, mode, group):
        self.path = os.path.realpath(path)
        # Always the same: what a killed call left is taken away by the next.
        self.aside = self.path + ASIDE
        try:
            self.discard()
            self._write(content, mode, group)
        except EnvironmentError as error:
            self._fail(error)

    def _write(self, content, mode, group):
        owner, group_id, old_mode = -1, -1, 0o644
        if os.path.exists(self.path):
            old = os.stat(self.path)
            owner, group_id, old_mode = old.st_uid, old.st_gid, stat.S_IMODE(old.st_mode)
        descriptor = os.open(self.aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchown(descriptor, owner, _group_id(group, group_id))
            os.fchmod(descriptor, old_mode if mode is None else mode)
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def commit(self):
        try:
            os.rename(self.aside, self.path)
            _sync(os.path.dirname(self.path))
        except EnvironmentError as error:
            self._fail(error)

    def discard(self):
        try:
            os.unlink(self.aside)
        except EnvironmentError as error:
            if error.errno not in ABSENT:
                raise

    def _fail(self, error):
        """Take away what stands aside and tell what the system said."""
        try:
            self.discard()
        except EnvironmentError:
            pass  # the same trouble again
        raise CommandFailed(
            "write %s" % self.path,
            errno.errorcode.get(error.errno, error.errno),
            os.strerror(error.errno),
            "The file is as it was. Make room or make it writable, then repeat the call.",
        )


def _sync(path):
    """Have a file's content, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _group_id(group, otherwise):
    if group is None:
        return otherwise
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return otherwise


def _write_all(descriptor, content):
    while content:
        content = content[os.write(descriptor, content) :]
