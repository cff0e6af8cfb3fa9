#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs ansible-test sanity with one release of ansible-core (2.18, 2.19, or newest: what the newest Python here allows).
set -euo pipefail
cd "$(dirname "$0")/../.."

core=$1
# The links serve ansible-test, which compiles and imports with every Python that it finds by name.
mkdir -p .build/bin
for release in 3.11 3.12 3.13 3.14; do
  python=$(tests/tools/python.sh $release) && ln -sf "$python" .build/bin/python$release && newest=$python
done

venv=.build/core-$core
if [ ! -e "$venv/stamp" ]; then
  if [ "$core" = newest ]; then
    "$newest" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet ansible-core
  else
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet "ansible-core==$core.*"
  fi
  touch "$venv/stamp"
fi
if [ "$core" = newest ] && "$venv/bin/ansible" --version | grep -qE 'core 2\.1[89]'; then
  echo "SKIPPED: sanity with the newest ansible-core: no Python >= 3.12 here"
  exit 0
fi

# A home of its own: environments are cached there, and pip comes out of Python instead of a download.
# The copy is a repository of its own, since ansible-test would ask the one around it, which ignores .build.
tree=$(tests/tools/tree.sh "sanity-$core")
git init -q "$tree"
home=$PWD/.build/home
pip=$(sed -n "s/^ *pip='\(.*\)',/\1/p" "$venv"/lib/python3*/site-packages/ansible_test/_internal/python_requirements.py)
mkdir -p "$home/.ansible/test/cache" "$home/.config" "$home/.cache"
ln -sfn "$HOME/.config/pip" "$home/.config/pip"
ln -sfn "$HOME/.cache/pip" "$home/.cache/pip"
printf 'import subprocess, sys\n\nsubprocess.run([sys.executable, "-m", "ensurepip", "--upgrade"], check=True)\n' \
  >"$home/.ansible/test/cache/get_pip_${pip//./_}.py"

PATH=$PWD/$venv/bin:$PWD/.build/bin:$PATH
cd "$tree"
ansible --version | sed -n 1p
HOME=$home ansible-test sanity --color no
