"""Takes from a process what it does not need of the machine's files, for good (Linux: mount namespace and Landlock).

Landlock lists what stays allowed: https://docs.kernel.org/userspace-api/landlock.html. Sockets that lie in the file
system are beyond it, so folders that hold private things are covered by empty ones, in which only what is needed
appears.
"""

import contextlib
import ctypes
import os
import re
import struct
import sys

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH, _CREATE_RULESET_VERSION = 1, 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNS = 0x20000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 1 << 12, 1 << 14, 1 << 18

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# How many kinds of access each version of Landlock knows, by version; newer ones know no fewer.
_KINDS = {1: 13, 2: 14, 3: 15, 4: 15}
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def limit_processes(most):
    """Whether no more than that live at once from now on: where this is the first process of its namespace.

    Since Linux 6.14 each namespace has a limit of its own; before that this very file was the whole machine's.
    """
    release = [int(part) for part in re.findall(r"\d+", os.uname().release)[:2]]
    if os.getpid() != 1 or release < [6, 14]:
        return False
    try:
        with open("/proc/sys/kernel/pid_max", "w") as stream:
            stream.write(str(most))
    except OSError:
        return False
    return True


def confine(read, write, hide):
    """From now on this process and its children read only below ``read``, write only below ``write``.

    What Python and its packages lie in stays readable. ``hide``: folders of which nothing else is there from now on.
    Returns whether files are limited; what the kernel cannot do is left out.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    own = [path for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path) if path]
    _cover(libc, (*hide, "/dev/shm"), (*read, *write, *own))
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_CREATE_RULESET_VERSION))
    if version < 1:
        return False
    handled = (1 << _KINDS.get(version, 16)) - 1
    # Signals and abstract sockets reach nobody outside either, where that can be said.
    attributes = struct.pack("QQQ", handled, 0, 3) if version >= 6 else struct.pack("Q", handled)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    try:
        for path in (*read, *own):
            _allow(libc, ruleset, path, _READ & handled)
        for path in (*write, *_DEVICES, "/dev/shm"):
            _allow(libc, ruleset, path, handled)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            return False
        return libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint(0)) == 0
    finally:
        os.close(ruleset)


def _cover(libc, hide, keep):
    """In a mount namespace of this process, folders are empty but for what is kept; without one nothing happens."""
    if libc.unshare(_CLONE_NEWNS):
        return
    libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)
    folders = sorted({os.path.realpath(path) for path in hide if os.path.isdir(path)} - {"/"})
    held = []
    for path in sorted({os.path.realpath(path) for path in keep}):
        hidden = any(_below(path, folder) for folder in folders)
        if hidden and os.path.exists(path) and not any(_below(path, other) for other, _ in held):
            held.append((path, os.open(path, os.O_PATH | os.O_CLOEXEC)))
    for folder in folders:
        options = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
        libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", options, b"mode=1777")
    for path, descriptor in held:
        _mount_point(path, os.path.isdir("/proc/self/fd/%d" % descriptor))
        source = b"/proc/self/fd/%d" % descriptor
        libc.mount(source, os.fsencode(path), None, ctypes.c_ulong(_MS_BIND | _MS_REC), None)
        os.close(descriptor)


def _below(path, folder):
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _mount_point(path, folder):
    with contextlib.suppress(OSError):
        os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
        if not folder:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _allow(libc, ruleset, path, access):
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                access &= _OF_A_FILE
            rule = struct.pack("=Qi", access, descriptor)
            libc.syscall(_ADD_RULE, ruleset, ctypes.c_uint(_RULE_PATH_BENEATH), rule, ctypes.c_uint(0))
        finally:
            os.close(descriptor)
