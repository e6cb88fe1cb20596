"""A process that shuts itself in: the kernel then lets it read files and write what it holds open, and nothing else.

By seccomp's filter of system calls (Linux; x86-64 and 64-bit ARM), which needs no rights and cannot be taken back. The
filter lists what is allowed, so whatever it does not know is refused: sockets, programs, processes and threads, signals
to others, files opened for writing, removed, renamed or made, devices' controls.
"""

import ctypes
import os
import platform
import resource
import struct

from utils.errors import UserError

#: system calls by name → their numbers on (x86-64, 64-bit ARM); None: there is none
ALLOWED = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "pread64": (17, 67), "lseek": (8, 62), "close": (3, 57),
    "stat": (4, None), "lstat": (6, None), "fstat": (5, 80), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents64": (217, 61), "getcwd": (79, 17),
    "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233),
    "brk": (12, 214), "futex": (202, 98), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getcpu": (309, 168), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128), "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115), "gettimeofday": (96, 169), "getrandom": (318, 278), "getpid": (39, 172),
    "gettid": (186, 178), "getrusage": (98, 165), "uname": (63, 160), "sysinfo": (99, 179),
    "exit": (60, 93), "exit_group": (231, 94),
}
OPENING = {"open": (2, None), "openat": (257, 56)}  # allowed for reading; their flags are the argument 1 and 2
FLAGS = {"open": 1, "openat": 2}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: their column above, AUDIT_ARCH of linux/audit.h, the number of seccomp(2)
MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06  # BPF: load a word, jump if equal, jump if a bit is set, return
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # refused: EPERM
NO_NEW_PRIVILEGES, FILTER, ALL_THREADS = 38, 1, 1


def confine(memory: int, seconds: int, written: int) -> None:
    """Shut this process in, for good.

    `memory`: bytes of addresses that it may take beyond what it has; `seconds` of processor time; `written`: bytes in
    a file. Raises UserError where the system has no such filter.
    """
    machine = platform.machine()
    if os.uname().sysname != "Linux" or machine not in MACHINES:
        raise UserError(f"{os.uname().sysname} on {machine} has no filter of system calls that is known here; do it on "
                        "Linux, x86_64 or aarch64")
    for what, most in ((resource.RLIMIT_AS, addresses() + memory), (resource.RLIMIT_CPU, seconds),
                       (resource.RLIMIT_FSIZE, written), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    column, architecture, number = MACHINES[machine]
    rules = program(column, architecture)
    code = ctypes.create_string_buffer(b"".join(rules))
    described = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
    system = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if system.prctl(NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero) or system.syscall(
            ctypes.c_long(number), ctypes.c_ulong(FILTER), ctypes.c_ulong(ALL_THREADS), described):
        raise UserError(f"this system lets no process filter its system calls: {os.strerror(ctypes.get_errno())}; "
                        "do it on one that does (Linux with seccomp)")


def addresses() -> int:
    """Return the bytes of addresses that this process has."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def program(column: int, architecture: int) -> list[bytes]:
    """Return the filter as instructions of classic BPF, for one machine's numbers."""
    def instruction(code: int, value: int, hit: int = 0, miss: int = 0) -> bytes:
        return struct.pack("HBBI", code, hit, miss, value)

    def number(of: tuple[int, int | None]) -> int | None:
        return of[column]

    rules = [instruction(LOAD, 4), instruction(EQUAL, architecture, 1), instruction(RETURN, KILL), instruction(LOAD, 0)]
    for of in ALLOWED.values():
        if number(of) is not None:
            rules += [instruction(EQUAL, number(of) or 0, 0, 1), instruction(RETURN, ALLOW)]
    for name, of in OPENING.items():
        if number(of) is not None:
            rules += [instruction(EQUAL, number(of) or 0, 0, 4), instruction(LOAD, 16 + 8 * FLAGS[name]),
                      instruction(ANY_BIT, WRITING, 1), instruction(RETURN, ALLOW), instruction(RETURN, REFUSE)]
    return [*rules, instruction(RETURN, REFUSE)]
