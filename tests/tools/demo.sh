#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Plays crossvirt.lifecycle.demo on a fresh lab of BACKEND (libvirt, vsphere) and ends it, unless KEEP=1. Where the machine cannot have
# libvirt's lab, it reads libvirt's own test driver instead.
set -euo pipefail
cd "$(dirname "$0")/../.."

backend=${BACKEND:-libvirt}
keep=false
[ "${KEEP:-}" != 1 ] || keep=true
case $backend in
  libvirt) words=(-e @tests/lab/demo.yml -e demo_lab="$PWD/tests/lab") ;;
  vsphere) words=(-e @tests/lab/vsphere/demo.yml) ;;
  *)
    echo "There is no demo for BACKEND=$backend"
    exit 2
    ;;
esac

ANSIBLE_COLLECTIONS_PATH=$(tests/tools/installed.sh)
export ANSIBLE_COLLECTIONS_PATH

status=0
python -m tests.lab up "$backend" || status=$?
case $backend:$status in
  *:0) $keep || trap 'python -m tests.lab down "$backend"' EXIT ;;
  libvirt:3)
    ansible localhost -m crossvirt.lifecycle.vm_info -a '{"hypervisor": {"type": "libvirt", "hosts": "test:///default"}}'
    echo "NOT PROVED: without a lab only libvirt's own test driver was read"
    exit
    ;;
  *) exit "$status" ;;
esac

ANSIBLE_CALLBACK_PLUGINS=tests/tools/callbacks ANSIBLE_STDOUT_CALLBACK=story \
  ansible-playbook -i lab.crossvirt.yml crossvirt.lifecycle.demo "${words[@]}" -e "{demo_keep: $keep}"

printf '\nAll of it in %d seconds. ' $SECONDS
if $keep; then
  echo "The lab is still up, with its VMs: make lab-down BACKEND=$backend ends it."
  echo "export CROSSVIRT_CONNECTIONS=$CROSSVIRT_CONNECTIONS"
  echo ".venv/bin/ansible-inventory -i lab.crossvirt.yml --graph"
else
  echo "KEEP=1 make demo BACKEND=$backend leaves the lab up, to play with."
fi
