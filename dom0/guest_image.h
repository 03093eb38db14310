// SPDX-License-Identifier: MIT
/*
 * A guest kernel: a 64-bit x86 ELF file with Xen notes (xen/elfnote.h). The file is hostile input:
 * every offset, size and string is checked against the file before use.
 *
 * Notes and their defaults: VIRT_BASE 0, PADDR_OFFSET 0, ENTRY the ELF entry, everything else
 * absent. XEN_VERSION ("xen-3.0") is required, and so is LOADER "generic" unless GUEST_OS is
 * "linux". A kernel without notes may have a section __xen_guest with the same as text. Symbol tables
 * (BSD_SYMTAB) are not loaded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_SEGMENTS_MAX 16U
/* Addresses that the hypervisor keeps for itself in every 64-bit guest. */
#define GUEST_RESERVED_START 0xffff800000000000ULL
#define GUEST_RESERVED_END 0xffff880000000000ULL

struct guest_segment {
    const uint8_t *data;
    uint64_t virt; /* where it goes */
    uint64_t file_size, memory_size;
};

struct guest_image {
    struct guest_segment segments[GUEST_SEGMENTS_MAX];
    unsigned int segment_count;
    uint64_t virt_start, virt_end; /* of all segments */
    uint64_t virt_base, paddr_offset;
    uint64_t entry;
    bool has_hypercall_page, has_init_p2m, mod_start_pfn;
    uint64_t hypercall_page, init_p2m;
    char guest_os[32], guest_version[32], loader[16], xen_version[16];
};

/* A sentence about what is wrong. */
struct guest_error {
    char text[160];
};

/* 0, or -XEN_ENOEXEC / -XEN_EINVAL / -XEN_ENOMEM with a reason. The image points into `data`. */
int guest_image_parse(struct guest_image *image, const void *data, size_t size,
                      struct guest_error *error);
