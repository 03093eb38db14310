#!/bin/sh
# SPDX-License-Identifier: MIT
# apt with its own lists and cache below build/apt, so that fetching sources needs no root and changes
# nothing on the system. The machine's own Debian sources are used; apt verifies their signatures.
#   apt.sh deb PACKAGE[=VERSION]     leaves the .deb in the current directory
#   apt.sh source PACKAGE            leaves the source package's files in the current directory
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
state=$root/build/apt
mkdir -p "$state"
exec 9>"$state/lock"
flock 9

run_apt() {
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$state/parts" \
        -o Dir::State::Lists="$state/lists" -o Dir::Cache::Archives="$state/archives" \
        -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root \
        -o Acquire::Languages=none "$@" </dev/null
}

if [ ! -e "$state/ready" ]; then
    mkdir -p "$state/parts" "$state/lists/partial" "$state/archives/partial"
    if [ -e /etc/apt/sources.list.d/debian.sources ]; then
        sed 's/^Types:.*/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources \
            >"$state/parts/debian.sources"
    else
        sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' /etc/apt/sources.list >"$state/parts/debian.list"
    fi
    run_apt update >"$state/update.log" 2>&1 || { cat "$state/update.log" >&2; exit 1; }
    touch "$state/ready"
fi
case $1 in
deb) run_apt download "$2" ;;
source) run_apt source --download-only "$2" ;;
*) echo "usage: apt.sh deb|source PACKAGE" >&2; exit 2 ;;
esac
