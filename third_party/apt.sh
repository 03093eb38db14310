#!/bin/sh
# SPDX-License-Identifier: MIT
# apt with its own lists and cache below build/apt, so that fetching sources needs no root and changes
# nothing on the system. The machine's own Debian sources are used; apt verifies their signatures.
#   apt.sh deb PACKAGE=VERSION       leaves the .deb in the current directory
#   apt.sh source PACKAGE=VERSION    leaves the source package's original archive in the current directory
#   apt.sh versions                  prints "PACKAGE VERSION" of what Debian has now, and "libxen-dev VERSION"
#                                    of what is installed
# Lists older than a day are fetched anew; without a network the old ones go on serving.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
state=${PARAVANE_APT:-$root/build/apt}
mkdir -p "$state"
exec 9>"$state/lock"
flock 9

run_apt() {
    command=$1
    shift
    "$command" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$state/parts" \
        -o Dir::State::Lists="$state/lists" -o Dir::Cache::Archives="$state/archives" \
        -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root \
        -o Acquire::Languages=none "$@" </dev/null 9>&-
}

# The machine's Debian sources, of binary and of source packages; lists of other repositories stay out.
copy_sources() {
    suite="($codename|stable)(-updates|-security|/updates)?"
    rm -rf "$state/parts"
    mkdir -p "$state/parts" "$state/lists/partial" "$state/archives/partial"
    for list in /etc/apt/sources.list.d/*.sources; do
        grep -Eqs "^Suites:(.*[[:space:]])?$suite([[:space:]]|\$)" "$list" || continue
        sed 's/^Types:.*/Types: deb deb-src/' "$list" >"$state/parts/$(basename "$list")"
    done
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -e "$list" ] || continue
        sed -En "s:^deb[[:space:]]+(.*[[:space:]]$suite[[:space:]].*):deb \\1\\ndeb-src \\1:p" "$list" \
            >"$state/parts/$(basename "$list" .list).list"
    done
}

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
if [ ! -e "$state/ready" ]; then
    copy_sources
    run_apt apt-get update >"$state/update.log" 2>&1 || { cat "$state/update.log" >&2; exit 1; }
    touch "$state/ready"
elif [ -n "$(find "$state/ready" -mmin +1440)" ]; then
    copy_sources
    run_apt apt-get update >"$state/update.log" 2>&1 ||
        echo "apt's lists could not be fetched anew; going on with those of $(date -r "$state/ready" +%F)" >&2
    touch "$state/ready"
fi

xen_dev=$(dpkg-query -W -f='${Version}' libxen-dev 2>/dev/null || true)
xen=xen-hypervisor-$(echo "$xen_dev" | cut -d. -f1,2)-amd64

# Every version of a package that the lists have, newest first: binary packages, or source packages.
known() {
    case $1 in
    deb) run_apt apt-cache show --all-versions "$2" ;;
    *) run_apt apt-cache showsrc --only-source "$2" ;;
    esac | sed -n 's/^Version: //p' | sort -Vru
}

fetch_one() {
    case $1 in
    deb) run_apt apt-get download "$2" ;;
    *) run_apt apt-get source --download-only --tar-only "$2" ;;
    esac
}

# A version may have vanished from the mirrors since the lists were fetched, and a mirror may list what it has not:
# the newest that can be had takes its place.
fetch() {
    fetch_one "$1" "$2" && return
    run_apt apt-get update || echo "apt's lists could not be fetched anew" >&2
    package=${2%%=*}
    for version in $(known "$1" "$package"); do
        fetch_one "$1" "$package=$version" || continue
        [ "$2" != "$package=$version" ] || return 0
        echo "  NOTE $2 cannot be had: $version takes its place" >&2
        rm -f "$root"/build/third_party/versions-*.mk
        return 0
    done
    return 1
}

case $1 in
deb | source) fetch "$1" "$2" ;;
versions)
    echo "libxen-dev $xen_dev"
    for package in newlib-source "$xen"; do
        echo "$package $(run_apt apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p')"
    done
    for package in lwip cunit zlib; do
        echo "$package $(run_apt apt-cache showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort -V | tail -n1)"
    done
    ;;
*) echo "usage: apt.sh deb|source PACKAGE, apt.sh versions" >&2; exit 2 ;;
esac
