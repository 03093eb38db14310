// SPDX-License-Identifier: MIT
// The ELF reader: a good image, each way in which one can be wrong, and random damage.
#include "hypervisor/elf.h"
#include "hypervisor/layout.h"
#include "hypervisor/string.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <xen/elfnote.h>
#include <xen/features.h>

#define FILE_BYTES 0x2000
#define PHDRS_AT 0x40
#define NOTES_AT 0x200
#define CODE_AT 0x1000
#define BASE 0xffffffff80000000ull

// Offsets in the ELF header and in a program header (System V ABI, AMD64).
#define EH_CLASS 4
#define EH_MACHINE 18
#define EH_ENTRY 24
#define EH_PHOFF 32
#define EH_PHNUM 56
#define EH_SHOFF 40
#define EH_SHENTSIZE 58
#define SHDRS_AT 0x1c00
#define PH_OFFSET 8
#define PH_PADDR 24
#define PH_FILESZ 32
#define PH_MEMSZ 40

static uint8_t file[FILE_BYTES];
static size_t notes_bytes;

static void put(size_t at, uint64_t value, size_t bytes)
{
    memcpy(file + at, &value, bytes);
}

static void note(uint32_t type, const void *value, uint32_t bytes)
{
    size_t at = NOTES_AT + notes_bytes;

    put(at, 4, 4);
    put(at + 4, bytes, 4);
    put(at + 8, type, 4);
    memcpy(file + at + 12, "Xen", 4);
    memcpy(file + at + 16, value, bytes);
    notes_bytes += 16 + ((bytes + 3) & ~3u);
}

static void note_number(uint32_t type, uint64_t value)
{
    note(type, &value, sizeof(value));
}

static void program_header(unsigned index, uint32_t type, uint64_t offset, uint64_t paddr,
                           uint64_t filesz, uint64_t memsz)
{
    size_t at = PHDRS_AT + index * 56;

    put(at, type, 4);
    put(at + PH_OFFSET, offset, 8);
    put(at + PH_PADDR, paddr, 8);
    put(at + PH_FILESZ, filesz, 8);
    put(at + PH_MEMSZ, memsz, 8);
}

static void make(void)
{
    memset(file, 0, sizeof(file));
    notes_bytes = 0;
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(EH_MACHINE, 62, 2);
    put(EH_ENTRY, BASE + 0x1010, 8);
    put(EH_PHOFF, PHDRS_AT, 8);
    put(54, 56, 2);
    put(EH_PHNUM, 2, 2);
    note_number(XEN_ELFNOTE_VIRT_BASE, BASE);
    note(XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
    note(XEN_ELFNOTE_GUEST_OS, "test", 5);
    note(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|nonsense", 51);
    note_number(XEN_ELFNOTE_SUPPORTED_FEATURES, 1u << XENFEAT_dom0);
    program_header(0, 1, CODE_AT, 0x1000, 0x800, 0x3000);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
}

// With symbols, their names, and the note that asks for them.
static void make_with_symbols(void)
{
    make();
    note(XEN_ELFNOTE_BSD_SYMTAB, "yes", 4);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    put(EH_SHOFF, SHDRS_AT, 8);
    put(EH_SHENTSIZE, 64, 2);
    put(EH_SHENTSIZE + 2, 3, 2);
    put(SHDRS_AT + 64 + 4, 2, 4); // symbols
    put(SHDRS_AT + 64 + 24, 0x1a00, 8);
    put(SHDRS_AT + 64 + 32, 0x64, 8);
    put(SHDRS_AT + 64 + 40, 2, 4);
    put(SHDRS_AT + 128 + 4, 3, 4); // names
    put(SHDRS_AT + 128 + 24, 0x1b00, 8);
    put(SHDRS_AT + 128 + 32, 0x1f, 8);
}

static void symbol_table(void)
{
    struct elf_image image;
    struct elf_piece head, symbols, names;

    make_with_symbols();
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT(elf_piece(&image, 1, &head) && elf_piece(&image, 2, &symbols) &&
              elf_piece(&image, 3, &names));
    CU_ASSERT_FALSE(elf_piece(&image, 4, &names));
    CU_ASSERT_EQUAL(head.address, BASE + 0x4000);
    CU_ASSERT_EQUAL(symbols.address, head.address + 0x108);
    CU_ASSERT_PTR_EQUAL(symbols.source, file + 0x1a00);
    CU_ASSERT_EQUAL(names.address, head.address + 0x170); // a multiple of 8 behind 0x16c
    CU_ASSERT_EQUAL(image.end, names.address + 0x1f);
    CU_ASSERT_EQUAL(*(const uint32_t *)head.source,
                    0x170 + 0x1f - 4);      // from the ELF header to the end
    put(SHDRS_AT + 64 + 32, FILE_BYTES, 8); // symbols that are not in the file: none are loaded
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT_EQUAL(image.end, BASE + 0x4000);
}

static void good_image(void)
{
    struct elf_image image;
    struct elf_piece piece;

    make();
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT_EQUAL(image.virt_base, BASE);
    CU_ASSERT_EQUAL(image.entry, BASE + 0x1010);
    CU_ASSERT_EQUAL(image.start, BASE + 0x1000);
    CU_ASSERT_EQUAL(image.end, BASE + 0x4000);
    CU_ASSERT_EQUAL(image.hypercall_page, ELF_NO_ADDRESS);
    CU_ASSERT_EQUAL(image.init_p2m, ELF_NO_ADDRESS);
    CU_ASSERT_EQUAL(image.features_required, 1u << XENFEAT_writable_page_tables);
    CU_ASSERT_EQUAL(image.features_supported, 1u << XENFEAT_writable_page_tables |
                                                  1u << XENFEAT_pae_pgdir_above_4gb |
                                                  1u << XENFEAT_dom0);
    CU_ASSERT(elf_piece(&image, 0, &piece));
    CU_ASSERT_EQUAL(piece.address, BASE + 0x1000);
    CU_ASSERT_EQUAL(piece.file_bytes, 0x800);
    CU_ASSERT_PTR_EQUAL(piece.source, file + CODE_AT);
    CU_ASSERT_FALSE(elf_piece(&image, 1, &piece));
}

// Only what the format demands: base 0, the header's entry, page 0 part of the image.
static void sparse_notes(void)
{
    struct elf_image image;

    make();
    notes_bytes = 0;
    note(XEN_ELFNOTE_GUEST_OS, "sparse", 7);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    program_header(0, 1, CODE_AT, 0, 0x800, 0x3000);
    put(EH_ENTRY, 0x10, 8);
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT_EQUAL(image.virt_base, 0);
    CU_ASSERT_EQUAL(image.entry, 0x10);
    CU_ASSERT_EQUAL(image.start, 0);
}

static void expect_refused(const char *word, size_t size)
{
    struct elf_image image;
    const char *wrong = elf_parse(&image, file, size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(wrong);
    CU_ASSERT_PTR_NOT_NULL(strstr(wrong, word));
}

static void not_elf(void)
{
    make();
    file[0] = 'x';
    expect_refused("not an ELF", sizeof(file));
    make();
    expect_refused("not an ELF", 10);
}

static void wrong_machine(void)
{
    make();
    file[EH_CLASS] = 1;
    expect_refused("64-bit", sizeof(file));
    make();
    put(EH_MACHINE, 3, 2);
    expect_refused("64-bit", sizeof(file));
}

static void no_notes(void)
{
    make();
    program_header(1, 0, NOTES_AT, 0, notes_bytes, notes_bytes);
    expect_refused("no Xen notes", sizeof(file));
    make();
    note(XEN_ELFNOTE_XEN_VERSION, "xen-9.9", 8);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    expect_refused("version", sizeof(file));
}

static void notes_that_refuse(void)
{
    struct elf_image image;

    make(); // the hypervisor's range lies between two segments
    note_number(XEN_ELFNOTE_VIRT_BASE, 0);
    put(EH_PHNUM, 3, 2);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    program_header(2, 1, CODE_AT, BASE, 0x800, 0x3000);
    expect_refused("overlaps the hypervisor's", sizeof(file));
    make();
    note_number(XEN_ELFNOTE_HV_START_LOW, 0xffff820000000000ull);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    expect_refused("too small an address range", sizeof(file));
    make();
    note_number(XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000ull);
    note(XEN_ELFNOTE_BSD_SYMTAB, "yes", 4);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT(image.wants_symtab);
}

static void truncated(void)
{
    make();
    expect_refused("truncated", CODE_AT + 0x100);
    make();
    put(EH_PHOFF, FILE_BYTES - 8, 8);
    expect_refused("program headers", sizeof(file));
    make();
    put(EH_PHOFF, UINT64_MAX - 8, 8);
    expect_refused("program headers", sizeof(file));
}

static void bad_layout(void)
{
    make();
    program_header(0, 1, CODE_AT, 0x1000, 0x800, 0x400);
    expect_refused("larger in the file", sizeof(file));
    make();
    program_header(0, 1, CODE_AT, 0x1000, 0x800, UINT64_MAX - 0x2000);
    expect_refused("wraps", sizeof(file));
    make();
    program_header(0, 1, CODE_AT, 0xffff810000000000ull - BASE, 0x800, 0x1000);
    expect_refused("hypervisor's address range", sizeof(file));
    make();
    put(EH_ENTRY, BASE + 0x100000, 8);
    expect_refused("entry point", sizeof(file));
    make();
    note_number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x3800);
    program_header(1, 4, NOTES_AT, 0, notes_bytes, notes_bytes);
    expect_refused("hypercall page", sizeof(file));
}

// In the place of notes a section __xen_guest with `text`; bytes behind the text are no part of it.
static void make_old(const char *text)
{
    make();
    program_header(1, 0, 0, 0, 0, 0);
    put(EH_SHOFF, SHDRS_AT, 8);
    put(EH_SHENTSIZE, 64, 2);
    put(EH_SHENTSIZE + 2, 3, 2); // sections
    put(EH_SHENTSIZE + 4, 2, 2); // names are in the last
    put(SHDRS_AT + 64, 1, 4);
    put(SHDRS_AT + 64 + 4, 1, 4);
    put(SHDRS_AT + 64 + 24, 0x1a00, 8);
    put(SHDRS_AT + 64 + 32, strlen(text), 8);
    put(SHDRS_AT + 128 + 4, 3, 4);
    put(SHDRS_AT + 128 + 24, 0x1b00, 8);
    put(SHDRS_AT + 128 + 32, 13, 8);
    memcpy(file + 0x1a00, text, strlen(text));
    memcpy(file + 0x1b00, "\0__xen_guest", 13);
}

static void guest_section(void)
{
    struct elf_image image;

    make_old(
        "GUEST_OS=Mini-OS,XEN_VER=xen-3.0,HYPERCALL_PAGE=0x2,VIRT_BASE=0xffffffff80000000,"
        "ELF_PADDR_OFFSET=0x0,LOADER=generic,FEATURES=!writable_page_tables|pae_pgdir_above_4gb");
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT_EQUAL(image.virt_base, BASE);
    CU_ASSERT_EQUAL(image.start, BASE + 0x1000);
    CU_ASSERT_EQUAL(image.hypercall_page, BASE + 0x2000);
    CU_ASSERT_EQUAL(image.entry, BASE + 0x1010);
    CU_ASSERT_EQUAL(image.features_required, 1u << XENFEAT_writable_page_tables);
    // Without ELF_PADDR_OFFSET physical addresses in the file are linear ones; numbers may be decimal.
    make_old(
        "XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,VIRT_ENTRY=18446744071562072096,BSD_SYMTAB");
    program_header(0, 1, CODE_AT, BASE + 0x1000, 0x800, 0x3000);
    CU_ASSERT_PTR_NULL_FATAL(elf_parse(&image, file, sizeof(file)));
    CU_ASSERT_EQUAL(image.start, BASE + 0x1000);
    CU_ASSERT_EQUAL(image.entry, BASE + 0x1020);
    CU_ASSERT_TRUE(image.wants_symtab);
}

static void guest_section_refused(void)
{
    make_old("XEN_VER=xen-2.0");
    expect_refused("version", sizeof(file));
    make_old("XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,ELF_PADDR_OFFSET=0,HYPERCALL_PAGE="
             "0xfffffffffffff");
    expect_refused("hypercall page", sizeof(file));
    make_old("XEN_VER=xen-3.0");
    put(SHDRS_AT + 64 + 32, UINT64_MAX, 8); // not in the file
    expect_refused("no Xen notes", sizeof(file));
    make_old("XEN_VER=xen-3.0");
    put(SHDRS_AT + 64, 2, 4); // another name
    expect_refused("no Xen notes", sizeof(file));
    make_old("XEN_VER=xen-3.0");
    put(SHDRS_AT + 128 + 32, 12, 8); // a name without its end
    expect_refused("no Xen notes", sizeof(file));
    make_old("XEN_VER=xen-3.0");
    put(EH_SHENTSIZE + 4, 77, 2);
    expect_refused("no Xen notes", sizeof(file));
}

// Whatever the damage, the reader stays inside the file (the sanitizers look).
static void random_damage(void)
{
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        struct elf_image image;
        struct elf_piece piece;
        if (round & 1)
            make_with_symbols();
        else
            make_old("XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,ELF_PADDR_OFFSET=0x0,FEATURES=");
        for (unsigned i = 0; i < 1u + (unsigned)rand() % 8; i++)
            file[rand() % 4 ? rand() % (NOTES_AT + 0x100) : SHDRS_AT + rand() % 192] =
                (uint8_t)rand();
        size_t size = rand() % 4 ? sizeof(file) : (size_t)rand() % sizeof(file);
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, file, size);
        if (!elf_parse(&image, copy, size)) {
            for (unsigned i = 0; elf_piece(&image, i, &piece); i++)
                CU_ASSERT_FATAL(!piece.file_bytes || piece.source[piece.file_bytes - 1] <= 0xff);
        }
        free(copy);
    }
}

static void place_of_the_list(void)
{
    struct elf_image image = {.init_p2m = 1ull << 39};
    const uint64_t start = 0xffffffff80000000, end = start + (4 << 20), top = 1ull << 47;
    static const uint64_t bad[] = {
        0x8000000001,         1ull << 47,         (1ull << 47) - 0x1000, HV_VIRT_START,
        HV_VIRT_END - 0x1000, 0xffffffffffffe000, 0xfffffffffffff000,    0xffffffff80001000,
        0xffffffff7ffff000,   0xffffffff803ff000,
    };

    CU_ASSERT(elf_p2m_fits(&image, 0x2000, start, end));
    CU_ASSERT(!elf_p2m_fits(&image, UINT64_MAX, start, end));
    CU_ASSERT(!elf_p2m_fits(&image, 0, start, end));
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        image.init_p2m = bad[i];
        CU_ASSERT(!elf_p2m_fits(&image, 0x1001, start, end));
    }
    image.init_p2m = HV_VIRT_END;
    CU_ASSERT(elf_p2m_fits(&image, 0x1001, start, end));
    image.init_p2m = top - 0x2000;
    CU_ASSERT(elf_p2m_fits(&image, 0x1001, start, end));
    image.init_p2m = end;
    CU_ASSERT(elf_p2m_fits(&image, 0x1001, start, end));
}

static const struct report_case cases[] = {
    REPORT_CASE(guest_section),     REPORT_CASE(guest_section_refused),
    REPORT_CASE(place_of_the_list), REPORT_CASE(good_image),
    REPORT_CASE(symbol_table),      REPORT_CASE(sparse_notes),
    REPORT_CASE(not_elf),           REPORT_CASE(wrong_machine),
    REPORT_CASE(no_notes),          REPORT_CASE(notes_that_refuse),
    REPORT_CASE(truncated),         REPORT_CASE(bad_layout),
    REPORT_CASE(random_damage),
};

int main(void)
{
    return report_run("elf", cases, ARRAY_SIZE(cases));
}
