# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/support-matrix.md from the contract's table, the drivers' claims, and what the suite found.

`--check` compares instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class

from tests.conformance.results import KINDS, Results, is_wanted, keep, load
from tests.unit.contract_page import SECTIONS, words

PAGE = Path(__file__).parents[2] / "docs" / "support-matrix.md"
BACKENDS = {
    "libvirt": "libvirt QEMU/KVM",
    "libvirt-test": "libvirt test driver",
    "xen": "libvirt Xen",
    "vsphere": "vSphere vCenter",
    "vsphere-esx": "vSphere ESXi",
}
TOP = """\
# Support matrix

Written by `make matrix` from what the drivers claim, what the [contract](contract.md#10-capabilities) demands, and
what the conformance suite found. A claim that is false in either direction fails the suite.
"""
TRUTH = """
The truth matrix runs a task in check mode, for real, and again, each from the same start. Check mode has to make no
write call, both have to agree on changed, failure, steps and diff, an independent witness has to see what the result
says, and the second run must change nothing.
"""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |\n" for line in lines)


def claims(backend: str) -> dict[str, bool]:
    """Return which capabilities the driver of a backend claims."""
    driver = driver_class("libvirt" if backend == "xen" else backend.partition("-")[0])
    return {one.value: getattr(driver, one) is not getattr(Driver, one) for one in Capability}


def capabilities(results: dict[str, Results]) -> str:
    """Return what works where."""
    rows = []
    for row in SECTIONS["10. Capabilities"].rows:
        (name,) = words(row["capability"])
        cells = [results[backend].refused.get(name, "yes" if claims(backend)[name] else "no") for backend in results]
        rows.append([f"`{name}`", row["meaning"], *cells])
    return table(["capability", "meaning", *(BACKENDS[backend] for backend in results)], rows)


def parts(results: dict[str, Results]) -> Iterator[str]:
    """Yield the page in pieces."""
    yield TOP
    yield "\n## Capabilities\n\n"
    yield capabilities(results)
    yield "\n## Refused by name, before the first change\n\n"
    refused = [
        (BACKENDS[backend], what, reason)
        for backend, found in results.items()
        for what, reason in sorted(found.refused.items())
        if what not in claims(backend)
    ]
    yield table(["backend", "what", "reason"], refused)
    yield "\n## Proved\n\n"
    proved = [(BACKENDS[backend], found.product, *counts(found)) for backend, found in results.items()]
    yield table(["backend", "against", *KINDS, "truth cases", "disagreements"], proved)
    yield TRUTH
    yield "\n## Not tried\n\n"
    untried = [
        (BACKENDS[backend], reason, count)
        for backend, found in results.items()
        for reason, count in sorted(found.impossible.items())
    ]
    yield table(["backend", "reason", "tests"], untried)


def counts(found: Results) -> list[int]:
    """Return the figures of one backend."""
    return [*(found.outcomes[kind] for kind in KINDS), len(found.truth), found.disagreements]


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0, or 1 where the page is not current or nothing is known."""
    try:
        page = "".join(parts({backend: load(backend) for backend in BACKENDS if is_wanted(backend)}))
    except FileNotFoundError as error:
        needed = " and ".join(f"`make conformance BACKEND={backend}`" for backend in BACKENDS)
        sys.stderr.write(f"matrix: {error.filename} is not there: run {needed} first\n")
        return 1
    if "--check" not in arguments:
        PAGE.write_text(page)
        keep()
    elif PAGE.read_text() != page:
        sys.stderr.write(f"matrix: {PAGE.name} is not what the suite found: run `make matrix` and commit it\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
