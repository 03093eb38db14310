#!/bin/sh
# SPDX-License-Identifier: MIT
# proved.sh VERSIONS: one line that names what is in use and is not what the conformance suite was last
# proved with (proved.txt); nothing when all of it is.
set -eu
[ -e "$1" ] || exit 0
others=$(grep -vxFf "$(dirname "$0")/proved.txt" "$1" | tr '\n' ',' | sed 's/,$//; s/,/, /g')
[ -z "$others" ] || echo "  NOTE not what the conformance suite was last proved with: $others"
