// SPDX-License-Identifier: MIT
// Unpacks a gzip file (RFC 1952, RFC 1951): dom0's kernel, when the boot loader leaves it packed. A module.
//
// Pure: trusts no byte of the file, writes nowhere but to the given room, builds on the host.
#pragma once

#include "hypervisor/module.h"
#include "hypervisor/types.h"

// The file begins as gzip files do.
bool gzip_is_packed(const void *file, size_t size);

// Length of the contents modulo 2^32, as the file's last bytes have it.
uint32_t gzip_contents_size(const void *file, size_t size);

// Unpacks all of `file` to exactly `room` bytes; NULL on success, else what is wrong, for people. The work
// is bounded by `size` and `room`.
const char *gzip_unpack(void *to, size_t room, const void *file, size_t size);

// What dom0's builder asks of a module that unpacks.
struct kernel_packing {
    bool (*is_packed)(const void *file, size_t size);
    uint32_t (*contents_size)(const void *file, size_t size);
    const char *(*unpack)(void *to, size_t room, const void *file, size_t size);
};
MODULE_KIND(kernel_packing);
