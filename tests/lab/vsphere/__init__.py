# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated vCenters and ESX: `Simulator.start()` for a test of its own, `python -m tests.lab up vsphere` for all."""
