# SPDX-License-Identifier: GPL-2.0-or-later
"""forbid.py CALL[,CALL...] COMMAND...: run COMMAND where these system calls fail with EPERM, as under a
container engine's seccomp filter. unshare, clone3 and setns are refused whole, clone only
with a flag that makes a namespace."""
import ctypes
import os
import struct
import sys

NUMBERS = {
    "x86_64": {"clone": 56, "unshare": 272, "setns": 308, "clone3": 435, "mount": 165},
    "aarch64": {"clone": 220, "unshare": 97, "setns": 268, "clone3": 435, "mount": 40},
    "riscv64": {"clone": 220, "unshare": 97, "setns": 268, "clone3": 435, "mount": 40},
}
NEW_NAMESPACE = 0x7E020000 # CLONE_NEW* of linux/sched.h
LD, JEQ, JSET, RET = 0x20, 0x15, 0x45, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2


def program(calls):
    numbers = NUMBERS[os.uname().machine]
    insns = [(LD, 0, 0, 0)] # the number
    for name in calls:
        if name == "clone":
            # Load the flags, and the number again behind it.
            insns += [(JEQ, 0, 4, numbers[name]), (LD, 0, 0, 16), (JSET, 0, 1, NEW_NAMESPACE),
                      (RET, 0, 0, EPERM), (RET, 0, 0, ALLOW)]
        else:
            insns += [(JEQ, 0, 1, numbers[name]), (RET, 0, 0, EPERM)]
    insns.append((RET, 0, 0, ALLOW))
    return insns


def main():
    insns = program(sys.argv[1].split(","))
    code = b"".join(struct.pack("HBBI", *i) for i in insns)
    buf = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("HxxxxxxP", len(insns), ctypes.addressof(buf))
    libc = ctypes.CDLL(None, use_errno=True)
    for args in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, fprog, 0, 0)):
        if libc.prctl(*args) != 0:
            sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[2], sys.argv[2:])


main()
