#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes release VERSION out of a clean checkout: version, changelog, archive, and Galaxy's own checks. It stages what it wrote, and
# prints what is left to do: nothing leaves this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

refuse() {
  echo "No release: $*" >&2
  exit 1
}

version=${1:-}
[[ $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$ ]] ||
  refuse "'$version' is no version such as 1.2.3; say make release VERSION=1.2.3"
[ -z "$(git status --porcelain)" ] || refuse "the checkout has changes; commit them first"
git rev-parse -q --verify "refs/tags/$version" >/dev/null && refuse "the tag $version is there already"
latest=$(git tag --list '[0-9]*' --sort=-version:refname | head -n1)
[ -z "$latest" ] || [ "$(printf '%s\n' "$latest" "$version" | sort -V | tail -n1)" = "$version" ] ||
  refuse "$version is older than $latest"
compgen -G 'changelogs/fragments/*.yml' >/dev/null || refuse "changelogs/fragments holds nothing to tell"

sed -i "s/^version: .*/version: $version/" galaxy.yml
antsibull-changelog lint
antsibull-changelog release --version "$version"
git add --all galaxy.yml changelogs CHANGELOG.rst
reuse lint --lines
tests/tools/importer.sh
archive=(.build/dist/*.tar.gz)

cat <<END

Release $version is staged, and its archive is ${archive[0]}. Once make test has passed:

  git commit -m "Release $version"
  git tag -a $version -m "Release $version"
  git push origin HEAD $version
  make build    # the archive of the tag
  ansible-galaxy collection publish ${archive[0]}
END
