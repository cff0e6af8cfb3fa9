# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real libvirt hosts with real guests in network namespaces of this machine."""
