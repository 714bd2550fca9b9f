"""Becomes an engine: ties it to the process that starts it, gives up root where told to, and executes it.

Run as a script, in a process of its own, so that nothing has to happen between fork and exec of a
program that has threads:

    python -I -S launch.py PARENT_PID SIGNAL IDENTITY COMMAND...

PARENT_PID  the process that starts the engine; if it is gone already, nothing is executed
SIGNAL      the number of the signal that the engine gets when its parent dies, also by kill -9. Linux
            only, where the kernel sends it. It is tied to the parent's *thread*: start engines from a
            thread that lives as long as they shall, such as the main thread with its event loop.
IDENTITY    same       stay who we are
            namespace  root outside, the user nobody inside a user namespace of its own: programs that
                       refuse root accept it, and files stay owned by root
            nobody     become the user nobody for good
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
LAUNCH_FAILED = 120


def enter_namespace() -> None:
    """Makes a user namespace in which our user id reads as nobody's. OSError where the system forbids it."""
    nobody = pwd.getpwnam("nobody")
    outside_user, outside_group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{nobody.pw_uid} {outside_user} 1"),
        ("gid_map", f"{nobody.pw_gid} {outside_group} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def become_nobody() -> None:
    """Gives up root for good. PermissionError where even root may not change its user id."""
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def die_with_parent(parent: int, signal_number: int) -> None:
    """Asks the kernel for a signal when the parent dies; leaves at once if it died before we asked."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(LAUNCH_FAILED)


def main(arguments: list[str]) -> None:
    """Executes the command; comes back only by an exception, written to stderr with exit code 120."""
    parent, signal_number, identity, *command = arguments
    try:
        if identity == "namespace":
            enter_namespace()
        elif identity == "nobody":
            become_nobody()
        # Last: a change of user id clears the signal asked for.
        die_with_parent(int(parent), int(signal_number))
        os.execv(command[0], command)  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.stderr.write(f"launch: {command[0]}: {error}\n")
        sys.exit(LAUNCH_FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
