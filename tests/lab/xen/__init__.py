# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Xen hosts: machines that run under QEMU, with Xen and a small Debian as its dom0."""
