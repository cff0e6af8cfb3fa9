#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection into .build/dist and imports it as Galaxy would; a warning fails too.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

archive=$(tests/tools/build.sh dist)
cd .build/dist
python -m galaxy_importer.main "$archive" 2>&1 | tee importer.log
! grep -E '^(ERROR|WARNING)' importer.log
