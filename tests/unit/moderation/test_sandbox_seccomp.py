"""The system-call filter, run by a small interpreter of its instructions, so that both architectures are tested."""

import ctypes
import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from moderation.sandbox import syscalls
from moderation.sandbox.seccomp import program

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
PID = 4242


def verdict(code: bytes, number: int, arch: int, *arguments: int) -> int:
    """Run the filter on one call's `struct seccomp_data`."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(argument & 2**64 - 1 for argument in (*arguments, *[0] * 6)[:6]))
    operations = list(struct.iter_unpack("<HBBI", code))
    at, register = 0, 0
    while True:
        kind, if_true, if_false, value = operations[at]
        at += 1
        if kind == 0x20:
            (register,) = struct.unpack_from("<I", data, value)
        elif kind == 0x06:
            return value
        else:
            test = {0x15: register == value, 0x25: register > value, 0x45: bool(register & value)}[kind]
            at += if_true if test else if_false


@pytest.fixture(params=ARCHITECTURES)
def judge(request):
    column, arch = ARCHITECTURES[request.param]
    code = program(request.param, PID)

    def ask(call: syscalls.Numbers | int, *arguments: int, arch: int = arch) -> int:
        number = call if isinstance(call, int) else call[column]
        assert number is not None
        return verdict(code, number, arch, *arguments)

    ask.column = column
    return ask


def test_every_listed_call_is_refused(judge):
    for name, call in syscalls.REFUSED.items():
        if call[judge.column] is not None:
            assert judge(call) == EPERM, name


def test_ordinary_calls_pass(judge):
    # read, write, mmap/munmap, futex, openat, exit_group
    for number in {0: (0, 1, 9, 11, 202, 257, 231), 1: (63, 64, 222, 215, 98, 56, 94)}[judge.column]:
        assert judge(number) == ALLOW


def test_threads_are_allowed_and_processes_are_not(judge):
    assert judge(syscalls.CLONE, 0x3D0F00) == ALLOW
    assert judge(syscalls.CLONE, 17) == EPERM
    assert judge(syscalls.CLONE, 0x10000000 | 17) == EPERM
    assert judge(syscalls.CLONE3, 0) == ENOSYS


def test_signals_reach_itself_only(judge):
    assert judge(syscalls.TGKILL, PID, PID, 6) == ALLOW
    assert judge(syscalls.TGKILL, PID + 1, PID + 1, 9) == EPERM
    assert judge(syscalls.FCNTL, 3, 1, 1) == ALLOW
    assert [judge(syscalls.FCNTL, 3, command, 1) for command in (8, 10, 15)] == [EPERM] * 3


def test_limits_of_others_and_terminals_are_out_of_reach(judge):
    assert judge(syscalls.PRLIMIT64, 0, 7) == ALLOW
    assert judge(syscalls.PRLIMIT64, PID + 1, 7) == EPERM
    assert judge(syscalls.IOCTL, 0, 0x5401) == ALLOW
    assert judge(syscalls.IOCTL, 0, 0x5412) == EPERM
    assert judge(syscalls.IOCTL, 0, 0x5412 | 1 << 40) == EPERM


def test_unknown_calls_and_architectures_are_refused(judge):
    assert judge(syscalls.NEWEST + 1) == ENOSYS
    assert judge(0x40000000 | 41) == ENOSYS
    assert judge(0, arch=0x40000003) == KILL


def test_the_numbers_are_the_kernels():
    """Against this machine's own headers, where they are installed."""
    headers = {0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), 1: Path("/usr/include/asm-generic/unistd.h")}
    checked = 0
    for column, header in headers.items():
        if not header.is_file():
            continue
        text = re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
        numbers = {name: int(value) for name, value in text}
        for name, call in syscalls.REFUSED.items():
            assert numbers.get(name) == call[column], name
            checked += 1
    if platform.machine() == "x86_64":
        # Headers or not: libc's own wrapper must agree on one call.
        assert ctypes.CDLL(None).syscall(39) > 0
    assert checked in {0, len(syscalls.REFUSED), 2 * len(syscalls.REFUSED)}
