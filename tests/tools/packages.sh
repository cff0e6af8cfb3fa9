#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the Debian packages that are listed and missing; without the right to do so it names them and goes on.
# Arguments: lists besides those that every test needs.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian machine: install what tests/tools/packages.txt and tests/lab/packages.txt name by its own means."
  exit 0
fi

mapfile -t wanted < <(sed 's/#.*//' tests/tools/packages.txt tests/lab/packages.txt "$@" | xargs -n1 | sort -u)
mapfile -t present < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
  sed -n 's/^installed //p' | sort -u)
mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}") <(printf '%s\n' "${present[@]}"))
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
  become=()
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
  become=(sudo)
else
  echo "Missing packages, and neither root nor sudo to install them: ${missing[*]}"
  exit 0
fi
echo "Installing: ${missing[*]}"
"${become[@]}" apt-get update -qq
"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
