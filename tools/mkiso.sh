#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a GRUB boot image for BIOS and UEFI.
#   mkiso.sh OUT paravane|xen HYPERVISOR "HYPERVISOR OPTIONS" KERNEL "KERNEL ARGUMENTS" [MODULE...]
#   mkiso.sh OUT kernel KERNEL "KERNEL ARGUMENTS" [MODULE...]   a Multiboot2 kernel on bare hardware
# The kernel of a domain and the modules are loaded as they are: GRUB does not unpack them.
# MKISO_BIOS=1 leaves the UEFI half out, which halves size and time.
set -eu

usage() {
    sed -n '3,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 4 ] || usage
out=$1
kind=$2
shift 2
tree=$(mktemp -d "${TMPDIR:-/tmp}/mkiso.XXXXXX")
trap 'rm -rf "$tree"' EXIT INT TERM
mkdir -p "$tree/boot/grub" "$(dirname "$out")"
config=$tree/boot/grub/grub.cfg

# Copies a boot file, an ELF without its debugging sections: GRUB reads slowly. A broken ELF goes as it is.
add() {
    if [ "$(head -c 4 "$1" | od -An -tx1 | tr -d ' ')" = 7f454c46 ]; then
        objcopy --strip-debug "$1" "$tree/boot/$2" 2>/dev/null || cp "$1" "$tree/boot/$2"
    else
        cp "$1" "$tree/boot/$2"
    fi
}

# What GRUB takes for syntax is quoted.
quote() {
    printf '%s' "$1" | sed 's/[;&|<>{}$"\\]/\\&/g'
}

printf 'set timeout=0\n' >"$config"
case $kind in
paravane | xen)
    [ $# -ge 4 ] || usage
    if [ "$kind" = xen ]; then
        name=xen.gz
    else
        name=paravane.elf
    fi
    add "$1" "$name"
    printf 'multiboot2 /boot/%s %s\n' "$name" "$(quote "$2")" >>"$config"
    shift 2
    loader="module2 --nounzip"
    ;;
kernel) loader=multiboot2 ;;
*) usage ;;
esac
add "$1" kernel
printf '%s /boot/kernel %s\n' "$loader" "$(quote "$2")" >>"$config"
shift 2
count=0
for module in "$@"; do
    count=$((count + 1))
    cp "$module" "$tree/boot/module$count"
    printf 'module2 --nounzip /boot/module%s\n' "$count" >>"$config"
done
printf 'boot\n' >>"$config"

only=
[ -z "${MKISO_BIOS:-}" ] || only="-d /usr/lib/grub/i386-pc"
log=$tree.log
# xorriso crashes now and then when its image is written already: once more, then it counts.
if ! grub-mkrescue $only -o "$out" "$tree" >"$log" 2>&1 &&
    ! grub-mkrescue $only -o "$out" "$tree" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
