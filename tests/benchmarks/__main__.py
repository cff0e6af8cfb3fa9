# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.benchmarks libvirt|vsphere`: measures beside other collections, and writes a page of docs."""

import os
import sys
from importlib import import_module

from tests.benchmarks import rivals


def main(backend: str) -> None:
    """Measure one hypervisor; what is needed for the other need not be here."""
    rivals.prepare()
    load = os.getloadavg()[0]
    print(f"load before: {load:.1f}", flush=True)
    import_module(f"tests.benchmarks.{backend}").measure(load)


if __name__ == "__main__":
    main(*sys.argv[1:])
