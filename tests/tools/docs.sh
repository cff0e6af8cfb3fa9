#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the site into .build/docs: docs/*.md, and the reference out of the documentation in the plugins. A warning fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

source=.build/docsite
rm -rf $source .build/docs
install -d -m 755 $source/reference # antsibull-docs wants a folder in which nobody else can write
antsibull-docs --config-file docs/docsite/antsibull-docs.cfg collection --use-current --fail-on-error \
  --squash-hierarchy --dest-dir $source/reference crossvirt.lifecycle
python tests/tools/pages.py $source
sphinx-build --quiet --fail-on-warning --keep-going -b html $source .build/docs
echo "The site begins at .build/docs/index.html"
