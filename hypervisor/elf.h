// SPDX-License-Identifier: MIT
// Reads the kernel of a PV guest: a 64-bit ELF executable with Xen notes (xen/elfnote.h).
//
// Pure: looks only at the bytes given, trusts none of them, builds on the host.
#pragma once

#include "hypervisor/module.h"
#include "hypervisor/types.h"

#define ELF_NO_ADDRESS UINT64_MAX

// Length, ELF header, three section headers, 4 bytes of padding.
#define ELF_SYMTAB_HEAD_WORDS 66

struct elf_image {
    const uint8_t *data;
    size_t size;

    // --- from the notes, with the defaults of xen/elfnote.h
    uint64_t virt_base;      // default 0
    uint64_t paddr_offset;   // default 0
    uint64_t entry;          // default: the ELF entry
    uint64_t hypercall_page; // ELF_NO_ADDRESS: none
    uint64_t init_p2m;       // ELF_NO_ADDRESS: inside the initial mapping
    uint64_t mod_start_pfn;  // not 0: the module is passed by frame number and not mapped
    bool wants_symtab;       // BSD_SYMTAB: it would like its symbol table loaded
    uint64_t hv_start_low;   // lowest start of the hypervisor's range that it can live with; 0: any
    uint32_t features_supported, features_required; // 1 << XENFEAT_*
    bool is_other_version; // it is for another version of the Xen interface

    // --- the symbol table behind the image, for kernels that want it (BSD_SYMTAB "yes" and sections
    // that make sense): a head of our own making, then two sections as they are in the file
    uint64_t symtab_at; // linear address of the head, 0: none
    const uint8_t *symtab, *strtab;
    uint64_t symtab_bytes, strtab_bytes;
    uint32_t symtab_head[ELF_SYMTAB_HEAD_WORDS];

    // --- from the program headers: linear addresses that the loaded image takes up
    uint64_t start, end;
};

// May INIT_P2M's list of `bytes` lie where the kernel wants it, beside what is mapped at [start, end)? On
// whole pages, in the guest's part of the addresses, without wrapping around them.
bool elf_p2m_fits(const struct elf_image *image, uint64_t bytes, uint64_t start, uint64_t end);

// NULL on success, else what is wrong with the file, for people.
const char *elf_parse(struct elf_image *image, const void *data, size_t size);

// One loadable piece: `file_bytes` from `source`, then zeroes up to `memory_bytes`, at linear
// address `address`.
struct elf_piece {
    uint64_t address, memory_bytes, file_bytes;
    const uint8_t *source;
};

// Piece number `index` of a parsed image, those of the symbol table last; false behind the last.
bool elf_piece(const struct elf_image *image, unsigned index, struct elf_piece *piece);

// --- for modules that know another way in which a kernel describes itself, asked when it has no notes
struct kernel_description {
    bool (*read)(struct elf_image *image); // false: not described so
};
MODULE_KIND(kernel_description);
// The contents of the first section of that name; NULL without.
const char *elf_section(const struct elf_image *image, const char *name, size_t *bytes);
// One fact about the kernel, as the note of this type (XEN_ELFNOTE_*) has it.
void elf_note_apply(struct elf_image *image, uint32_t type, const uint8_t *value, uint32_t bytes);
