#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks or installs the packages of tools/packages.txt.
#   packages.sh check     prints the apt-get command when something is missing, exit status 1
#   packages.sh install   installs what is missing, as root or through sudo
set -eu
list=$(dirname "$0")/packages.txt
missing=
for package in $(sed 's/#.*//' "$list"); do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo "
command="${as_root}apt-get install -y --no-install-recommends$missing"
if [ "${1:-check}" != install ]; then
    echo "Packages are missing. Install them with:" >&2
    echo "  $command" >&2
    exit 1
fi
if [ -n "$as_root" ] && ! sudo -n true 2>/dev/null && ! { [ -t 0 ] && sudo true; }; then
    echo "Packages are missing and this user may not install them. Run:" >&2
    echo "  $command" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "  APT $missing"
${as_root}apt-get update -qq </dev/null
${as_root}env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $missing </dev/null
