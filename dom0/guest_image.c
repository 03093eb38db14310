// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/elfnote.h>
#include <xen/errno.h>

#include "dom0/guest_image.h"

/* ELF64 as the System V ABI defines it: only what is used here. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_program {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct elf_section {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t align, entsize;
};
struct elf_note {
    uint32_t namesz, descsz, type;
};
#define ELF_CLASS 4 /* index in ident */
#define ELF_CLASS_64 2
#define ELF_DATA 5
#define ELF_DATA_LITTLE 1
#define ELF_TYPE_EXEC 2
#define ELF_TYPE_DYN 3
#define ELF_MACHINE_X86_64 62
#define ELF_MACHINE_386 3
#define ELF_PT_LOAD 1
#define ELF_PT_NOTE 4
#define ELF_SHT_NOTE 7
#define UNSET (~0ULL)
/* Far more than any kernel has: what a file can make us read is bounded, however long it is. */
#define NOTES_MAX 4096U
#define GUEST_SECTION_MAX 4096U

struct parser {
    struct guest_image *image;
    const uint8_t *data;
    size_t size;
    struct guest_error *error;
    struct elf_header header;
    uint64_t hv_start_low;
    bool found; /* any Xen note */
    unsigned int note_count;
    char features[96];
};

static int fail(struct parser *p, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct parser *p, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->error->text, sizeof(p->error->text), format, args);
    va_end(args);
    return rc;
}

static bool inside(const struct parser *p, uint64_t offset, uint64_t length)
{
    return offset <= p->size && length <= p->size - offset;
}

static int header_check(struct parser *p)
{
    struct elf_header *h = &p->header;

    if (p->size < sizeof(*h) || memcmp(p->data, "\177ELF", 4) != 0) {
        return fail(p, -XEN_ENOEXEC, "not an ELF file");
    }
    memcpy(h, p->data, sizeof(*h));
    if (h->ident[ELF_CLASS] != ELF_CLASS_64 || h->machine == ELF_MACHINE_386) {
        return fail(p, -XEN_ENOEXEC, "a 32-bit kernel; only 64-bit kernels can run");
    }
    if (h->machine != ELF_MACHINE_X86_64 || h->ident[ELF_DATA] != ELF_DATA_LITTLE) {
        return fail(p, -XEN_ENOEXEC, "not for x86-64 (ELF machine %u)", h->machine);
    }
    if (h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN) {
        return fail(p, -XEN_ENOEXEC, "not an executable (ELF type %u)", h->type);
    }
    if (h->phentsize != sizeof(struct elf_program) ||
        !inside(p, h->phoff, (uint64_t)h->phnum * sizeof(struct elf_program))) {
        return fail(p, -XEN_ENOEXEC, "truncated: program headers lie beyond the file's %zu bytes",
                    p->size);
    }
    return 0;
}

/* A string note's text; cut to `room`. */
static void note_text(char *text, size_t room, const uint8_t *desc, uint32_t size)
{
    size_t length = strnlen((const char *)desc, size);

    length = length < room - 1 ? length : room - 1;
    memcpy(text, desc, length);
    text[length] = '\0';
}

static bool note_number(const uint8_t *desc, uint32_t size, uint64_t *value)
{
    *value = 0;
    if (size != 1 && size != 2 && size != 4 && size != 8) {
        return false;
    }
    memcpy(value, desc, size);
    return true;
}

/* String notes: true if it was one. */
static bool note_string(struct parser *p, uint32_t type, const uint8_t *desc, uint32_t size)
{
    struct guest_image *image = p->image;

    switch (type) {
    case XEN_ELFNOTE_XEN_VERSION:
        note_text(image->xen_version, sizeof(image->xen_version), desc, size);
        return true;
    case XEN_ELFNOTE_GUEST_OS:
        note_text(image->guest_os, sizeof(image->guest_os), desc, size);
        return true;
    case XEN_ELFNOTE_GUEST_VERSION:
        note_text(image->guest_version, sizeof(image->guest_version), desc, size);
        return true;
    case XEN_ELFNOTE_LOADER:
        note_text(image->loader, sizeof(image->loader), desc, size);
        return true;
    case XEN_ELFNOTE_FEATURES:
        note_text(p->features, sizeof(p->features), desc, size);
        return true;
    default:
        return false;
    }
}

static int note_apply(struct parser *p, uint32_t type, const uint8_t *desc, uint32_t size)
{
    struct guest_image *image = p->image;
    uint64_t number, other;
    uint64_t *const numbers[XEN_ELFNOTE_MAX + 1] = {
        [XEN_ELFNOTE_ENTRY] = &image->entry,
        [XEN_ELFNOTE_HYPERCALL_PAGE] = &image->hypercall_page,
        [XEN_ELFNOTE_VIRT_BASE] = &image->virt_base,
        [XEN_ELFNOTE_PADDR_OFFSET] = &image->paddr_offset,
        [XEN_ELFNOTE_HV_START_LOW] = &p->hv_start_low,
        [XEN_ELFNOTE_INIT_P2M] = &image->init_p2m,
        [XEN_ELFNOTE_MOD_START_PFN] = &other,
    };

    if (note_string(p, type, desc, size) || type > XEN_ELFNOTE_MAX || !numbers[type]) {
        return 0; /* text, or for other loaders, or only advice */
    }
    if (!note_number(desc, size, &number)) {
        return fail(p, -XEN_EINVAL, "Xen note %u has %u bytes where a number belongs",
                    (unsigned int)type, (unsigned int)size);
    }
    *numbers[type] = number;
    image->has_hypercall_page |= type == XEN_ELFNOTE_HYPERCALL_PAGE;
    image->has_init_p2m |= type == XEN_ELFNOTE_INIT_P2M;
    if (type == XEN_ELFNOTE_MOD_START_PFN) {
        image->mod_start_pfn = number != 0;
    }
    return 0;
}

static int notes_read(struct parser *p, uint64_t offset, uint64_t size)
{
    uint64_t end = offset + size;

    if (!inside(p, offset, size)) {
        return fail(p, -XEN_ENOEXEC, "truncated: notes lie beyond the file's %zu bytes", p->size);
    }
    while (end - offset >= sizeof(struct elf_note)) {
        struct elf_note note;
        if (++p->note_count > NOTES_MAX) {
            return fail(p, -XEN_ENOEXEC, "more than %u notes", NOTES_MAX);
        }
        memcpy(&note, p->data + offset, sizeof(note));
        offset += sizeof(note);
        uint64_t name_size = ((uint64_t)note.namesz + 3) & ~3ULL;
        uint64_t desc_size = ((uint64_t)note.descsz + 3) & ~3ULL;
        if (name_size > end - offset || note.descsz > end - offset - name_size) {
            return fail(p, -XEN_ENOEXEC, "a note runs over the end of its segment");
        }
        if (note.namesz == 4 && memcmp(p->data + offset, "Xen", 4) == 0) {
            int rc = note_apply(p, note.type, p->data + offset + name_size, note.descsz);
            if (rc) {
                return rc;
            }
            p->found = true;
        }
        offset += name_size;
        offset = desc_size > end - offset ? end : offset + desc_size;
    }
    return 0;
}

/* One KEY=VALUE of the section __xen_guest: the note of the same meaning. */
static int guest_key_apply(struct parser *p, const char *key, const char *value)
{
    static const struct {
        const char *key;
        uint32_t type;
        bool is_number;
    } keys[] = {
        {"LOADER",           XEN_ELFNOTE_LOADER,         false},
        {"GUEST_OS",         XEN_ELFNOTE_GUEST_OS,       false},
        {"GUEST_VER",        XEN_ELFNOTE_GUEST_VERSION,  false},
        {"XEN_VER",          XEN_ELFNOTE_XEN_VERSION,    false},
        {"FEATURES",         XEN_ELFNOTE_FEATURES,       false},
        {"VIRT_BASE",        XEN_ELFNOTE_VIRT_BASE,      true },
        {"VIRT_ENTRY",       XEN_ELFNOTE_ENTRY,          true },
        {"ELF_PADDR_OFFSET", XEN_ELFNOTE_PADDR_OFFSET,   true },
        {"HYPERCALL_PAGE",   XEN_ELFNOTE_HYPERCALL_PAGE, true },
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(key, keys[i].key) == 0) {
            uint64_t number = keys[i].is_number ? strtoull(value, NULL, 0) : 0;
            return keys[i].is_number
                       ? note_apply(p, keys[i].type, (const uint8_t *)&number, sizeof(number))
                       : note_apply(p, keys[i].type, (const uint8_t *)value, strlen(value));
        }
    }
    return 0; /* for other loaders, or only advice */
}

/* The section's text, KEY=VALUE between commas. */
static int guest_section_apply(struct parser *p, const char *section, uint64_t size)
{
    struct guest_image *image = p->image;

    if (size > GUEST_SECTION_MAX) {
        return fail(p, -XEN_ENOEXEC, "more than %u bytes in __xen_guest", GUEST_SECTION_MAX);
    }
    char *text = strndup(section, size), *state = text;
    int rc = text ? 0 : fail(p, -XEN_ENOMEM, "no memory for the text of __xen_guest");

    image->paddr_offset = UNSET;
    for (char *key = strsep(&state, ","); key && rc == 0; key = strsep(&state, ",")) {
        char *value = key;
        strsep(&value, "=");
        rc = guest_key_apply(p, key, value ? value : "");
    }
    free(text);
    /* Linked at their addresses rather than at physical ones, and a page number. */
    if (image->paddr_offset == UNSET) {
        image->paddr_offset = image->virt_base;
    }
    image->hypercall_page = image->virt_base + (image->hypercall_page << 12);
    p->found = true;
    return rc;
}

static void section_read(const struct parser *p, unsigned int index, struct elf_section *section)
{
    memcpy(section, p->data + p->header.shoff + index * sizeof(*section), sizeof(*section));
}

/* Kernels older than notes have a section __xen_guest in their place. */
static int guest_section_find(struct parser *p)
{
    static const char name[] = "__xen_guest";
    const struct elf_header *h = &p->header;
    struct elf_section names, section;

    if (h->shstrndx >= h->shnum) {
        return 0;
    }
    section_read(p, h->shstrndx, &names);
    for (unsigned int i = 0; i < h->shnum && inside(p, names.offset, names.size); i++) {
        section_read(p, i, &section);
        if (section.name < names.size && names.size - section.name >= sizeof(name) &&
            memcmp(p->data + names.offset + section.name, name, sizeof(name)) == 0 &&
            inside(p, section.offset, section.size)) {
            return guest_section_apply(p, (const char *)p->data + section.offset, section.size);
        }
    }
    return 0;
}

/* Notes of the program headers; if there are none for Xen, those of the sections, or __xen_guest. */
static int notes_find(struct parser *p)
{
    const struct elf_header *h = &p->header;

    for (unsigned int i = 0; i < h->phnum; i++) {
        struct elf_program program;
        memcpy(&program, p->data + h->phoff + i * sizeof(program), sizeof(program));
        int rc = program.type == ELF_PT_NOTE ? notes_read(p, program.offset, program.filesz) : 0;
        if (rc) {
            return rc;
        }
    }
    if (p->found || h->shentsize != sizeof(struct elf_section) ||
        !inside(p, h->shoff, (uint64_t)h->shnum * sizeof(struct elf_section))) {
        return p->found ? 0 : fail(p, -XEN_ENOEXEC, "no Xen notes: not a Xen PV kernel");
    }
    for (unsigned int i = 0; i < h->shnum; i++) {
        struct elf_section section;
        section_read(p, i, &section);
        int rc = section.type == ELF_SHT_NOTE ? notes_read(p, section.offset, section.size) : 0;
        if (rc) {
            return rc;
        }
    }
    int rc = p->found ? 0 : guest_section_find(p);
    return rc || p->found ? rc : fail(p, -XEN_ENOEXEC, "no Xen notes: not a Xen PV kernel");
}

/* Features that a kernel demands ("!name"): those that every 64-bit PV guest has. */
static int features_check(struct parser *p)
{
    static const char *const known[] = {"writable_page_tables", "pae_pgdir_above_4gb"};
    char *state = p->features;

    for (char *word = strsep(&state, "|"); word; word = strsep(&state, "|")) {
        bool have = *word != '!';
        for (size_t i = 0; !have && i < sizeof(known) / sizeof(known[0]); i++) {
            have = strcmp(word + 1, known[i]) == 0;
        }
        if (!have) {
            return fail(p, -XEN_EINVAL, "kernel demands the feature \"%s\"", word + 1);
        }
    }
    return 0;
}

static int notes_check(struct parser *p)
{
    struct guest_image *image = p->image;

    if (strncmp(image->xen_version, "xen-3.0", 7) != 0) {
        return fail(p, -XEN_EINVAL, "kernel is for \"%s\", not \"xen-3.0\"",
                    image->xen_version[0] ? image->xen_version : "no version of Xen");
    }
    if (strncmp(image->loader, "generic", 7) != 0 && strcmp(image->guest_os, "linux") != 0) {
        return fail(p, -XEN_EINVAL, "kernel wants the loader \"%s\", not \"generic\"",
                    image->loader);
    }
    if (p->hv_start_low != UNSET && p->hv_start_low > GUEST_RESERVED_START) {
        return fail(p, -XEN_EINVAL, "kernel wants addresses from 0x%llx on that are reserved",
                    (unsigned long long)GUEST_RESERVED_START);
    }
    return features_check(p);
}

static bool hits_reserved(uint64_t start, uint64_t end)
{
    return start < GUEST_RESERVED_END && end > 0x0000800000000000ULL;
}

static int segment_add(struct parser *p, const struct elf_program *program)
{
    struct guest_image *image = p->image;
    struct guest_segment *segment = &image->segments[image->segment_count];

    if (image->segment_count == GUEST_SEGMENTS_MAX) {
        return fail(p, -XEN_ENOEXEC, "more than %u segments to load", GUEST_SEGMENTS_MAX);
    }
    if (!inside(p, program->offset, program->filesz)) {
        return fail(p, -XEN_ENOEXEC,
                    "truncated: a segment ends at byte %llu of a file of %zu bytes",
                    (unsigned long long)(program->offset + program->filesz), p->size);
    }
    segment->data = p->data + program->offset;
    segment->virt = program->paddr - image->paddr_offset + image->virt_base;
    segment->file_size = program->filesz;
    segment->memory_size = program->memsz;
    uint64_t end = segment->virt + program->memsz;
    if (program->filesz > program->memsz || end < segment->virt) {
        return fail(p, -XEN_ENOEXEC, "segment %u has impossible sizes", image->segment_count);
    }
    if (hits_reserved(segment->virt, end)) {
        return fail(p, -XEN_EINVAL, "a segment at 0x%llx lies in the hypervisor's address range",
                    (unsigned long long)segment->virt);
    }
    if (segment->virt < image->virt_base) {
        return fail(p, -XEN_EINVAL, "a segment at 0x%llx lies below the base 0x%llx",
                    (unsigned long long)segment->virt, (unsigned long long)image->virt_base);
    }
    image->virt_start = segment->virt < image->virt_start ? segment->virt : image->virt_start;
    image->virt_end = end > image->virt_end ? end : image->virt_end;
    image->segment_count++;
    return 0;
}

static int segments_load(struct parser *p)
{
    struct guest_image *image = p->image;

    image->virt_start = UNSET;
    for (unsigned int i = 0; i < p->header.phnum; i++) {
        struct elf_program program;
        memcpy(&program, p->data + p->header.phoff + i * sizeof(program), sizeof(program));
        if (program.type == ELF_PT_LOAD && program.memsz > 0) {
            int rc = segment_add(p, &program);
            if (rc) {
                return rc;
            }
        }
    }
    if (image->segment_count == 0) {
        return fail(p, -XEN_ENOEXEC, "nothing to load in the file");
    }
    if (hits_reserved(image->virt_start, image->virt_end)) {
        return fail(p, -XEN_EINVAL, "the hypervisor's address range lies between two segments");
    }
    if (image->entry < image->virt_start || image->entry >= image->virt_end) {
        return fail(p, -XEN_EINVAL, "entry 0x%llx lies outside of the kernel",
                    (unsigned long long)image->entry);
    }
    if (image->has_hypercall_page &&
        ((image->hypercall_page & 0xfff) || image->hypercall_page < image->virt_start ||
         image->hypercall_page >= image->virt_end)) {
        return fail(p, -XEN_EINVAL, "hypercall page 0x%llx is no page of the kernel",
                    (unsigned long long)image->hypercall_page);
    }
    return 0;
}

int guest_image_parse(struct guest_image *image, const void *data, size_t size,
                      struct guest_error *error)
{
    struct parser p = {
        .image = image, .data = data, .size = size, .error = error, .hv_start_low = UNSET};
    int rc;

    memset(image, 0, sizeof(*image));
    image->entry = UNSET;
    rc = header_check(&p);
    rc = rc ? rc : notes_find(&p);
    rc = rc ? rc : notes_check(&p);
    if (rc) {
        return rc;
    }
    if (image->entry == UNSET) {
        image->entry = p.header.entry;
    }
    return segments_load(&p);
}
