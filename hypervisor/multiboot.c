// SPDX-License-Identifier: MIT
// Reads the Multiboot2 boot information (Multiboot2 specification 2.0, section 3.6) into boot_info.
//
// Everything that is kept is copied, or reserved as a module: the information itself is given back
// with the rest of the memory. Nothing here allocates. Runs on the boot tables (first 4 GiB).
#include "hypervisor/boot.h"
#include "hypervisor/panic.h"
#include "hypervisor/string.h"

#define LOADER_MAGIC 0x36d76289

enum info_tag {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER = 2,
    TAG_MODULE = 3,
    TAG_MMAP = 6,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
};

struct tag {
    uint32_t type, size;
};

struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char cmdline[];
};

struct tag_mmap {
    struct tag tag;
    uint32_t entry_size, entry_version;
};

struct mmap_entry {
    uint64_t start, length;
    uint32_t type, reserved;
};

struct boot_info boot_info;

static char text_pool[4096]; // command lines of the hypervisor and the modules
static size_t text_used;
static char no_text[1];

static char *text_keep(const char *text, size_t max)
{
    size_t length = strnlen(text, max);
    size_t room = sizeof(text_pool) - text_used;
    char *kept = text_pool + text_used;
    if (length + 1 > room) {
        log_warn("boot: the command lines are too long, this one is cut: %s", text);
        if (room == 0)
            return no_text;
        length = room - 1;
    }
    memcpy(kept, text, length);
    kept[length] = 0;
    text_used += length + 1;
    return kept;
}

static void parse_module(const struct tag_module *t)
{
    struct boot_module *m = &boot_info.module[boot_info.module_count];
    if (boot_info.module_count == BOOT_MAX_MODULES || t->tag.size < sizeof(*t) ||
        t->end < t->start) {
        log_warn("boot: a module beyond the first %d, or a bad one, is ignored", BOOT_MAX_MODULES);
        return;
    }
    m->start = t->start;
    m->bytes = t->end - t->start;
    m->cmdline = text_keep(t->cmdline, t->tag.size - sizeof(*t));
    boot_info.module_count++;
}

static void parse_mmap(const struct tag_mmap *t)
{
    const char *p = (const char *)(t + 1), *end = (const char *)t + t->tag.size;
    if (t->entry_size < sizeof(struct mmap_entry) - sizeof(uint32_t))
        return;
    for (; p + t->entry_size <= end; p += t->entry_size) {
        const struct mmap_entry *e = (const struct mmap_entry *)p;
        enum boot_region_type type = e->type >= REGION_RAM && e->type <= REGION_BAD
                                         ? (enum boot_region_type)e->type
                                         : REGION_RESERVED;
        bootmem_add_region(e->start, e->length, type);
    }
}

static void parse_rsdp(const struct tag *t, bool newer)
{
    size_t size = t->size - sizeof(*t);
    if (boot_info.has_rsdp && !newer)
        return;
    boot_info.has_rsdp = true;
    memset(boot_info.rsdp, 0, sizeof(boot_info.rsdp));
    memcpy(boot_info.rsdp, t + 1, MIN(size, sizeof(boot_info.rsdp)));
}

static void parse_tag(const struct tag *t)
{
    const char *text = (const char *)(t + 1);
    size_t size = t->size - sizeof(*t);
    switch ((enum info_tag)t->type) {
    case TAG_CMDLINE:
        boot_info.cmdline = text_keep(text, size);
        break;
    case TAG_LOADER:
        boot_info.loader = text_keep(text, size);
        break;
    case TAG_MODULE:
        parse_module((const struct tag_module *)t);
        break;
    case TAG_MMAP:
        parse_mmap((const struct tag_mmap *)t);
        break;
    case TAG_ACPI_OLD:
        parse_rsdp(t, false);
        break;
    case TAG_ACPI_NEW:
        parse_rsdp(t, true);
        break;
    case TAG_END:
        break;
    }
}

void multiboot_parse(uint32_t magic, uint64_t info)
{
    const struct tag *t;
    uint64_t end = info + *(const uint32_t *)info;
    if (magic != LOADER_MAGIC)
        panic("started by a loader that is not Multiboot2 (magic %#x)", magic);
    boot_info.cmdline = no_text;
    boot_info.loader = "";
    for (uint64_t at = info + 8; at + sizeof(*t) <= end; at += (t->size + 7ul) & ~7ul) {
        t = (const struct tag *)at;
        if (t->type == TAG_END || t->size < sizeof(*t) || at + t->size > end)
            break;
        parse_tag(t);
    }
}
