# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.lab up|down|status|fleet|exec`: the command line of the lab."""

import argparse
import os
import shutil
import subprocess
import sys

from tests.lab import requirements
from tests.lab.commands import LabError
from tests.lab.processes import alone
from tests.lab.settings import MAX_HOSTS
from tests.lab.vsphere import program
from tests.lab.xen.settings import PACKAGES as XEN_PACKAGES

NOT_POSSIBLE_HERE = 3
BACKENDS = ["libvirt", "vsphere", "xen"]


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a fresh lab")
    up.add_argument("--hosts", type=int, default=2, choices=range(1, MAX_HOSTS + 1), metavar=f"1..{MAX_HOSTS}")
    up.add_argument("--ssh", action="store_true", help="also sshd on every host")
    down = commands.add_parser("down", help="end it and leave nothing")
    status = commands.add_parser("status", help="show hosts and guests")
    fleet = commands.add_parser("fleet", help="add a host with many stopped VMs")
    fleet.add_argument("count", type=int)
    program = commands.add_parser("exec", help="run a program in a guest")
    program.add_argument("host")
    program.add_argument("vm")
    program.add_argument("argv", nargs=argparse.REMAINDER)
    for command in (up, down, status):
        command.add_argument("backend", nargs="?", default="libvirt", choices=BACKENDS)
        command.add_argument("--backend", dest="backend", choices=BACKENDS, help=argparse.SUPPRESS)
    return parser.parse_args()


def carry_out(options: argparse.Namespace) -> None:
    """Do it on libvirt; the imports come after the check that they can succeed."""
    from tests.lab import client, lifecycle, status

    if options.command == "exec":
        sys.stdout.write(f"{client.Lab().guest_exec(options.host, options.vm, *options.argv)}\n")
        return
    if options.command == "status":
        sys.stdout.write(f"{status.table()}\n")
        return
    with alone():
        match options.command:
            case "up":
                lifecycle.up(options.hosts, with_ssh=options.ssh)
            case "down":
                lifecycle.down()
            case "fleet":
                lifecycle.start_fleet(options.count)
    if options.command != "down":
        sys.stdout.write(f"{status.table()}\n")


def carry_out_on_vsphere(options: argparse.Namespace) -> None:
    """Do it with simulators, which need no rights on this machine."""
    from tests.lab.vsphere import lifecycle

    if options.command != "status":
        with alone():
            lifecycle.up() if options.command == "up" else lifecycle.down()
    if options.command != "down":
        sys.stdout.write(f"{lifecycle.table()}\n")


def carry_out_on_xen(options: argparse.Namespace) -> None:
    """Do it with machines that run Xen."""
    from tests.lab.xen import lifecycle

    if options.command != "status":
        with alone():
            lifecycle.up() if options.command == "up" else lifecycle.down()
    if options.command != "down":
        sys.stdout.write(f"{lifecycle.table()}\n")


def check(backend: str) -> None:
    """LabError when this machine cannot have that lab."""
    if backend == "vsphere":
        program.go()
    elif backend == "xen":
        requirements.check(XEN_PACKAGES)
    else:
        requirements.check()


def main() -> int:
    """Exit status: 0, 1 when something failed, 3 when this machine cannot have a lab."""
    options = arguments()
    backend = getattr(options, "backend", "libvirt")
    if backend != "vsphere" and os.geteuid() and shutil.which("sudo"):
        again = ["sudo", "--preserve-env=CROSSVIRT_LAB", sys.executable, "-m", "tests.lab", *sys.argv[1:]]
        return subprocess.run(again, check=False).returncode
    try:
        check(backend)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return NOT_POSSIBLE_HERE
    doing = {"vsphere": carry_out_on_vsphere, "xen": carry_out_on_xen}.get(backend, carry_out)
    try:
        doing(options)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
