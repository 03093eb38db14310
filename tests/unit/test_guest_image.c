// SPDX-License-Identifier: MIT
/* The domain builder's parsing and layout: notes and their defaults, bad images, page tables. */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/elfnote.h>
#include <xen/errno.h>

#include "dom0/guest_layout.h"
#include "tests/report.h"

#define BASE 0xffffffff80000000ULL
#define FILE_SIZE 0x4000U

/* A kernel of two segments (text at 0x1000 in the file, bss behind) with notes at 0x200. */
static uint8_t file[FILE_SIZE];
static size_t note_end;
static struct guest_image image;
static struct guest_error error;

static void put(size_t at, uint64_t value, size_t size)
{
    memcpy(file + at, &value, size);
}

static void note(uint32_t type, const void *desc, uint32_t size)
{
    put(note_end, 4, 4);
    put(note_end + 4, size, 4);
    put(note_end + 8, type, 4);
    memcpy(file + note_end + 12, "Xen", 4);
    memcpy(file + note_end + 16, desc, size);
    note_end += 16 + ((size + 3) & ~3U);
    put(64 + 32, note_end - 0x200, 8); /* p_filesz of the notes */
}

static void note_number(uint32_t type, uint64_t value)
{
    note(type, &value, 8);
}

static void program(unsigned int i, uint32_t type, uint64_t offset, uint64_t paddr, uint64_t filesz,
                    uint64_t memsz)
{
    size_t at = 64 + 56 * i;
    put(at, type, 4);
    put(at + 8, offset, 8);
    put(at + 24, paddr, 8);
    put(at + 32, filesz, 8);
    put(at + 40, memsz, 8);
}

static void kernel_sparse(void)
{
    memset(file, 0, sizeof(file));
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, 0x100010, 8); /* entry */
    put(32, 64, 8);       /* phoff */
    put(54, 56, 2);
    put(56, 3, 2);
    note_end = 0x200;
    program(0, 4, 0x200, 0, 0, 0);
    program(1, 1, 0x1000, 0x100000, 0x1000, 0x1000);
    program(2, 1, 0x2000, 0x101000, 0x800, 0x3000);
    note(XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
    note(XEN_ELFNOTE_GUEST_OS, "test", 5);
    note(XEN_ELFNOTE_LOADER, "generic", 8);
}

static void kernel(void)
{
    kernel_sparse();
    note_number(XEN_ELFNOTE_VIRT_BASE, BASE);
    note_number(XEN_ELFNOTE_ENTRY, BASE + 0x100020);
    note_number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101000);
}

static int parse(size_t size)
{
    uint8_t *copy = malloc(size ? size : 1); /* exactly that long: the sanitizer sees overruns */
    memcpy(copy, file, size);
    error.text[0] = '\0';
    int rc = guest_image_parse(&image, copy, size, &error);
    free(copy);
    return rc;
}

#define REFUSED(rc, word)                                                                          \
    CU_ASSERT_TRUE(parse(FILE_SIZE) == (rc) && (strstr(error.text, word) || !puts(error.text)))

static void notes_full(void)
{
    kernel();
    note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    note_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    note(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb", 42);
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(image.virt_base, BASE);
    CU_ASSERT_EQUAL(image.entry, BASE + 0x100020);
    CU_ASSERT_EQUAL(image.virt_start, BASE + 0x100000);
    CU_ASSERT_EQUAL(image.virt_end, BASE + 0x104000);
    CU_ASSERT_TRUE(image.has_hypercall_page && image.has_init_p2m && image.mod_start_pfn);
    CU_ASSERT_EQUAL(image.segment_count, 2);
    CU_ASSERT_STRING_EQUAL(image.guest_os, "test");
}

static void notes_defaults(void)
{
    kernel_sparse();
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(image.virt_base, 0);
    CU_ASSERT_EQUAL(image.entry, 0x100010);
    CU_ASSERT_EQUAL(image.virt_start, 0x100000);
    CU_ASSERT_FALSE(image.has_hypercall_page || image.has_init_p2m || image.mod_start_pfn);
    kernel();
    note_number(XEN_ELFNOTE_PADDR_OFFSET, 0x100000);
    note_number(XEN_ELFNOTE_ENTRY, BASE + 0x10);
    note_number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1000);
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(image.virt_start, BASE);
}

/* In the place of notes a section __xen_guest with `text`, at 0x300; names of sections at 0x280. */
static void kernel_old(const char *text)
{
    kernel();
    program(0, 0, 0, 0, 0, 0);
    put(40, 0x400, 8); /* shoff */
    put(58, 64, 2);
    put(60, 3, 2);
    put(62, 2, 2);
    memset(file + 0x280, 0, 0x380);
    put(0x440, 1, 4);
    put(0x444, 1, 4);
    put(0x458, 0x300, 8);
    put(0x460, strlen(text), 8);
    put(0x484, 3, 4);
    put(0x498, 0x280, 8);
    put(0x4a0, 13, 8);
    memcpy(file + 0x300, text, strlen(text));
    memcpy(file + 0x281, "__xen_guest", 12);
}

static void guest_section(void)
{
    kernel_old("GUEST_OS=Mini-OS,XEN_VER=xen-3.0,HYPERCALL_PAGE=0x101,VIRT_BASE=0xffffffff80000000,"
               "VIRT_ENTRY=0xffffffff80100020,ELF_PADDR_OFFSET=0x0,PAE=yes,LOADER=generic");
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_STRING_EQUAL(image.guest_os, "Mini-OS");
    CU_ASSERT_EQUAL(image.virt_start, BASE + 0x100000);
    CU_ASSERT_EQUAL(image.entry, BASE + 0x100020);
    CU_ASSERT_TRUE(image.has_hypercall_page);
    CU_ASSERT_EQUAL(image.hypercall_page, BASE + 0x101000);
    /* Without ELF_PADDR_OFFSET physical addresses in the file are linear ones. */
    kernel_old("GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0x100000");
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(image.virt_start, 0x100000);
    CU_ASSERT_FALSE(image.has_hypercall_page);
    kernel_old("XEN_VER=xen-3.0,LOADER=own");
    REFUSED(-XEN_EINVAL, "loader");
    kernel_old(",,=,LOADER=generic");
    REFUSED(-XEN_EINVAL, "no version");
    kernel_old("XEN_VER=xen-3.0,LOADER=generic,FEATURES=!hvm_callback_vector");
    REFUSED(-XEN_EINVAL, "hvm_callback_vector");
    kernel_old("XEN_VER=xen-3.0,LOADER=generic");
    put(0x460, ~0ULL, 8);
    REFUSED(-XEN_ENOEXEC, "no Xen notes");
    kernel_old("XEN_VER=xen-3.0,LOADER=generic");
    put(62, 3, 2);
    REFUSED(-XEN_ENOEXEC, "no Xen notes");
}

static void images_bad(void)
{
    kernel_sparse();
    program(2, 1, 0x2000, BASE, 0x800,
            0x3000); /* the hypervisor's range lies between the segments */
    REFUSED(-XEN_EINVAL, "address range");
    kernel();
    file[0] = 0;
    REFUSED(-XEN_ENOEXEC, "not an ELF");
    kernel();
    file[4] = 1;
    REFUSED(-XEN_ENOEXEC, "32-bit");
    kernel();
    put(18, 3, 2);
    REFUSED(-XEN_ENOEXEC, "32-bit");
    kernel();
    put(18, 183, 2);
    REFUSED(-XEN_ENOEXEC, "x86-64");
    kernel();
    put(64, 0, 4); /* the notes' program header */
    REFUSED(-XEN_ENOEXEC, "no Xen notes");
    kernel();
    put(0x200 + 16, 0x322d6e6578, 5); /* "xen-2" */
    REFUSED(-XEN_EINVAL, "xen-3.0");
    kernel();
    note(XEN_ELFNOTE_LOADER, "special", 8);
    REFUSED(-XEN_EINVAL, "loader");
    kernel();
    note(XEN_ELFNOTE_FEATURES, "!supervisor_mode_kernel", 24);
    REFUSED(-XEN_EINVAL, "supervisor_mode_kernel");
    kernel();
    note(XEN_ELFNOTE_ENTRY, "abc", 3);
    REFUSED(-XEN_EINVAL, "number");
    kernel();
    note_number(XEN_ELFNOTE_VIRT_BASE, 0xffff800000000000ULL);
    REFUSED(-XEN_EINVAL, "address range");
    kernel();
    note_number(XEN_ELFNOTE_ENTRY, BASE);
    REFUSED(-XEN_EINVAL, "entry");
    kernel();
    note_number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101004);
    REFUSED(-XEN_EINVAL, "hypercall page");
    kernel();
    program(1, 1, 0x1000, 0x100000, 0x1000, 0x800);
    REFUSED(-XEN_ENOEXEC, "sizes");
    kernel();
    program(1, 1, 0x1000, 0x100000, FILE_SIZE, FILE_SIZE);
    REFUSED(-XEN_ENOEXEC, "truncated");
    kernel();
    put(0x200 + 4, 0xfffffff0, 4);
    REFUSED(-XEN_ENOEXEC, "note");
}

static void images_truncated(void)
{
    kernel();
    for (size_t size = 0; size < FILE_SIZE; size += size < 0x400 ? 1 : 61) {
        int rc = parse(size);
        CU_ASSERT_TRUE(rc == -XEN_ENOEXEC || rc == -XEN_EINVAL || size >= 0x2800);
    }
}

static void images_random(void)
{
    srand(3);
    for (int i = 0; i < 20000; i++) {
        kernel();
        for (int j = rand() % 8; j >= 0; j--) {
            file[(unsigned int)rand() % 0x300] = (uint8_t)(rand() % 3 ? rand() : 0xff);
        }
        if (parse(FILE_SIZE) == 0) {
            struct guest_layout layout;
            guest_layout_make(&layout, &image, 4096, 0, &error);
        }
    }
}

static uint64_t p2m[65536];
static uint64_t tables[64][512];

/* What the tables map at an address: the entry, or 0. */
static uint64_t walk(const struct guest_layout *layout, uint64_t virt)
{
    uint64_t table = 0;
    for (unsigned int shift = 39; shift > 12; shift -= 9) {
        uint64_t entry = tables[table][(virt >> shift) & 511];
        if (!(entry & 1)) {
            return 0;
        }
        table = (entry >> 12) - 1000 - layout->tables_pfn;
    }
    return tables[table][(virt >> 12) & 511];
}

static void tables_check(const struct guest_layout *layout)
{
    for (size_t i = 0; i < 65536; i++) {
        p2m[i] = i + 1000;
    }
    memset(tables, 0, sizeof(tables));
    CU_ASSERT_TRUE_FATAL(layout->table_count <= 64);
    guest_layout_write_tables(layout, p2m, tables);
    for (uint64_t i = 0; i < layout->mapped_pages; i++) {
        uint64_t entry = walk(layout, layout->virt_base + i * 4096);
        bool table = i >= layout->tables_pfn && i < layout->tables_pfn + layout->table_count;
        CU_ASSERT_EQUAL_FATAL(entry >> 12, i + 1000);
        CU_ASSERT_EQUAL_FATAL(entry & 7, table ? 5 : 7);
    }
    if (layout->mapped_pages < layout->page_count) {
        CU_ASSERT_EQUAL(walk(layout, layout->virt_base + layout->mapped_pages * 4096), 0);
    }
    for (uint64_t i = 0; layout->p2m_virt && i < layout->p2m_pages; i++) {
        CU_ASSERT_EQUAL(walk(layout, layout->p2m_virt + i * 4096) >> 12,
                        layout->p2m_pfn + i + 1000);
    }
}

static void layout_small(void)
{
    struct guest_layout layout;
    kernel();
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 1024, 5000, &error), 0);
    CU_ASSERT_EQUAL(layout.initrd_pfn, 0x104);
    CU_ASSERT_EQUAL(layout.p2m_pfn, 0x106);
    CU_ASSERT_EQUAL(layout.start_info_pfn, 0x108);
    CU_ASSERT_EQUAL(layout.mapped_pages, 1024);
    CU_ASSERT_EQUAL(layout.table_count, 5);
    CU_ASSERT_EQUAL(layout.stack_pfn, layout.tables_pfn + 5);
    CU_ASSERT_EQUAL(layout.used_pages, layout.stack_pfn + 1);
    tables_check(&layout);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, layout.used_pages, 5000, &error), 0);
    tables_check(&layout);
}

static void layout_large(void)
{
    struct guest_layout layout;
    kernel();
    note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    note_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 65536, 1 << 20, &error), 0);
    CU_ASSERT_EQUAL(layout.p2m_pages, 128);
    CU_ASSERT_EQUAL(layout.p2m_pfn, layout.stack_pfn + 1);
    CU_ASSERT_EQUAL(layout.initrd_pfn, layout.p2m_pfn + 128);
    CU_ASSERT_EQUAL(layout.used_pages, layout.initrd_pfn + 256);
    CU_ASSERT_EQUAL(layout.table_count, 1 + 2 + 2 + 2 + 1);
    CU_ASSERT_TRUE(layout.mapped_pages * 4096 >= (layout.stack_pfn + 1) * 4096 + (512 << 10));
    CU_ASSERT_EQUAL((layout.virt_base + layout.mapped_pages * 4096) % (4 << 20), 0);
    tables_check(&layout);
    kernel_sparse();
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 65536, 20 << 20, &error), 0);
    tables_check(&layout);
}

static void layout_refused(void)
{
    struct guest_layout layout;
    kernel();
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 200, 0, &error), -XEN_ENOMEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "KiB"));
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 0x106, 0, &error), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 1024, 8 << 20, &error), -XEN_ENOMEM);
    kernel();
    note_number(XEN_ELFNOTE_INIT_P2M, 0xffff808000000000ULL);
    CU_ASSERT_EQUAL(parse(FILE_SIZE), 0);
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 1024, 0, &error), -XEN_EINVAL);
    /* Two pages of list: at the end of the addresses, over it, over the hypervisor, where the stack is. */
    static const uint64_t bad[] = {0xfffffffffffff000ULL, 0xffffffffffffe000ULL,
                                   0x00007ffffffff000ULL, GUEST_RESERVED_END - 0x1000,
                                   GUEST_RESERVED_END - 0x2000};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        image.init_p2m = bad[i];
        CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 1024, 0, &error), -XEN_EINVAL);
    }
    image.init_p2m = image.virt_end + 0x3000;
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 1024, 0, &error), -XEN_EINVAL);
    image.init_p2m = GUEST_RESERVED_END;
    CU_ASSERT_EQUAL(guest_layout_make(&layout, &image, 1024, 0, &error), 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(notes_full),   REPORT_CASE(notes_defaults),   REPORT_CASE(guest_section),
    REPORT_CASE(images_bad),   REPORT_CASE(images_truncated), REPORT_CASE(images_random),
    REPORT_CASE(layout_small), REPORT_CASE(layout_large),     REPORT_CASE(layout_refused),
};

int main(void)
{
    return report_run("guest_image", cases, sizeof(cases) / sizeof(cases[0]));
}
