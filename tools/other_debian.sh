#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs commands on the other release of Debian: in a chroot below build/ that mmdebstrap makes once with the packages
# of tools/packages.txt, on a copy of this tree. What is built there stays for the next time.
#   other_debian.sh [COMMAND...]     `make test` without a command
# Needs root, since it mounts; its mounts and processes end with it.
set -eu
cd "$(dirname "$0")/.."
archive=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "other_debian.sh: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "a chroot of another release needs root: run it through sudo"
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
bookworm) other=trixie ;;
trixie) other=bookworm ;;
*) fail "this machine runs neither Debian 12 nor 13" ;;
esac

# This machine's mirror of Debian, by its configuration; of its security updates likewise.
mirror() {
    sed -En "s|^URIs:[[:space:]]*([^[:space:]]+$1)/?[[:space:]]*\$|\\1|p; s|^deb[[:space:]]+(\\[[^]]*\\][[:space:]]+)?([^[:space:]]+$1)/?[[:space:]].*|\\2|p" \
        /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null | head -n1
}
main=$(mirror /debian)
security=$(mirror /debian-security)
: "${main:=http://deb.debian.org/debian}" "${security:=http://deb.debian.org/debian-security}"

root=$PWD/build/other-debian/$other
packages=$(sed 's/#.*//' tools/packages.txt | tr -s ' \n' ',' | sed 's/^,//; s/,$//')
if [ "$packages" != "$(cat "$root.packages" 2>/dev/null)" ]; then
    echo "  CHROOT $root"
    rm -rf "$root" "$root.new"
    mkdir -p "$(dirname "$root")"
    mmdebstrap --quiet --variant=minbase --include="$packages" --keyring="$archive" "$other" "$root.new" \
        "deb $main $other main" "deb $main $other-updates main" "deb $security $other-security main" </dev/null ||
        { rm -rf "$root.new"; fail "mmdebstrap failed"; }
    mv "$root.new" "$root"
    echo "$packages" >"$root.packages"
fi

# The tree without what is built; what was removed here goes there too.
tree=$root/paravane
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$tree"

[ $# -gt 0 ] || set -- make test
echo "  RUN $* on $other"
exec unshare --mount --pid --fork --kill-child sh -euc '
    root=$1
    shift
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    [ ! -e /etc/resolv.conf ] || cat /etc/resolv.conf >"$root/etc/resolv.conf"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        chroot "$root" sh -euc "cd /paravane && exec \"\$@\"" sh "$@"
' sh "$root" "$@"
