// SPDX-License-Identifier: MIT
// Kernels of two segments, one of them with all notes and a symbol table, one with the fewest.
#include "tests/libfuzzer/harness.h"

#include <elf.h>
#include <string.h>
#include <xen/elfnote.h>

#define BASE 0xffffffff80000000UL
#define CODE_AT 0x1000U
#define CODE_BYTES 0x400U
#define NOTES_AT 0x200U
#define SECTIONS_AT 0x1400U
#define FILE_BYTES 0x1600U

static size_t note(uint8_t *at, uint32_t type, const void *value, uint32_t bytes)
{
    const Elf64_Nhdr header = {.n_namesz = 4, .n_descsz = bytes, .n_type = type};

    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), "Xen", 4);
    memcpy(at + sizeof(header) + 4, value, bytes);
    return sizeof(header) + 4 + (bytes + 3) / 4 * 4;
}

static size_t notes(uint8_t *at, bool is_full)
{
    static const struct {
        uint32_t type;
        uint64_t value;
    } numbers[] = {
        {XEN_ELFNOTE_VIRT_BASE,          BASE                },
        {XEN_ELFNOTE_PADDR_OFFSET,       0                   },
        {XEN_ELFNOTE_ENTRY,              BASE + 0x1010       },
        {XEN_ELFNOTE_HYPERCALL_PAGE,     BASE + CODE_AT      },
        {XEN_ELFNOTE_INIT_P2M,           0x8000000000UL      },
        {XEN_ELFNOTE_HV_START_LOW,       0xffff800000000000UL},
        {XEN_ELFNOTE_MOD_START_PFN,      1                   },
        {XEN_ELFNOTE_SUSPEND_CANCEL,     1                   },
        {XEN_ELFNOTE_SUPPORTED_FEATURES, 0x8801              },
    };
    size_t n = note(at, XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);

    n += note(at + n, XEN_ELFNOTE_GUEST_OS, "linux", 6);
    n += note(at + n, XEN_ELFNOTE_LOADER, "generic", 8);
    n += note(at + n, XEN_ELFNOTE_PAE_MODE, "yes", 4);
    if (!is_full)
        return n;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        n += note(at + n, numbers[i].type, &numbers[i].value, 8);
    n += note(at + n, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb", 42);
    return n + note(at + n, XEN_ELFNOTE_BSD_SYMTAB, "yes", 4);
}

size_t elf_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    const bool is_full = number == 0;
    const Elf64_Shdr sections[] = {
        {.sh_type = SHT_NULL  },
        { .sh_type = SHT_SYMTAB,
         .sh_offset = CODE_AT,
         .sh_size = 0x60,
         .sh_link = 2,
         .sh_entsize = 24},
        {            .sh_type = SHT_STRTAB,                               .sh_offset = CODE_AT + 0x60, .sh_size = 0x40},
    };

    if (number > 1)
        return 0;
    memset(seed, 0, FILE_BYTES);
    const Elf64_Phdr programs[] = {
        {.p_type = PT_NOTE,   .p_offset = NOTES_AT, .p_filesz = notes(seed + NOTES_AT, is_full)},
        { .p_type = PT_LOAD,
         .p_offset = CODE_AT,
         .p_paddr = is_full ? 0x1000 : 0x100000,
         .p_filesz = CODE_BYTES,
         .p_memsz = CODE_BYTES},
        {                                                                  .p_type = PT_LOAD,
         .p_offset = CODE_AT,
         .p_paddr = is_full ? 0x2000 : 0x101000,
         .p_filesz = 0x10,
         .p_memsz = 0x3000},
    };
    const Elf64_Ehdr header = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = 0x100010,
        .e_phoff = sizeof(header),
        .e_shoff = is_full ? SECTIONS_AT : 0,
        .e_ehsize = sizeof(header),
        .e_phentsize = sizeof(programs[0]),
        .e_phnum = 3,
        .e_shentsize = sizeof(sections[0]),
        .e_shnum = is_full ? 3 : 0,
    };
    memcpy(seed, &header, sizeof(header));
    memcpy(seed + sizeof(header), programs, sizeof(programs));
    memcpy(seed + SECTIONS_AT, sections, sizeof(sections));
    return FILE_BYTES;
}
