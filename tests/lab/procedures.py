# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and names of libvirt's remote procedures, and which of them change nothing."""

from pathlib import Path

REMOTE_PROGRAM, QEMU_PROGRAM = 0x20008086, 0x20008087
AGENT_COMMAND = "qemu_agent_command"

_LINES = [line.split() for line in Path(__file__).with_suffix(".txt").read_text().splitlines() if line[0] != "#"]
REMOTE = [name for name, *_kind in _LINES]
HARMLESS = {name for name, *kind in _LINES if kind}
# Of libvirt's second program; register and deregister belong to having a connection.
QEMU = ["monitor_command", "attach", "agent_command", "event_register", "event_deregister", "event", "monitor_files"]
HARMLESS |= {"qemu_event_register", "qemu_event_deregister"}
AGENT_READS = ("ping", "info", "sync", "get-", "network-get-", "fsfreeze-status", "exec-status")


def name_of(program: int, procedure: int) -> str:
    """Name a procedure; one that libvirt 9.0 did not know yet has its number for a name."""
    prefix, names = {REMOTE_PROGRAM: ("", REMOTE), QEMU_PROGRAM: ("qemu_", QEMU)}.get(program, (f"{program:#x}_", []))
    return f"{prefix}{names[procedure - 1] if procedure <= len(names) else procedure}"


def writes(name: str) -> bool:
    """Say whether a call of this name may change something: everything that is not known to be harmless."""
    if name.startswith("agent:"):
        return not name.removeprefix("agent:guest-").startswith(AGENT_READS)
    return name not in HARMLESS
