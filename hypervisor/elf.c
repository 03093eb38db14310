// SPDX-License-Identifier: MIT
// The ELF loader's reading half. See elf.h.
//
// Notes stand in PT_NOTE segments or, where there is none with Xen's, in SHT_NOTE sections. Every offset and
// length is checked against the file before it is used; sums are checked for wrapping.
#include "hypervisor/elf.h"
#include "hypervisor/layout.h"
#include "hypervisor/string.h"
#include <xen/elfnote.h>
#include <xen/features.h>

#define ELF_MAGIC 0x464c457fu
#define ELF_CLASS_64 2
#define ELF_DATA_LITTLE 1
#define ELF_TYPE_EXEC 2
#define ELF_TYPE_DYN 3
#define ELF_MACHINE_X86_64 62
#define PT_LOAD 1
#define PT_NOTE 4
#define SHT_SYMTAB 2
#define SHT_STRTAB 3
#define SHT_NOTE 7
#define SYMTAB_SECTIONS 3 // none, symbols, their names
#define SYMTAB_ALIGN 8
#define LOWER_HALF_END (1ull << 47)

struct elf_header {
    uint32_t magic;
    uint8_t class, data, version, pad[9];
    uint16_t type, machine;
    uint32_t version2;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_section_header {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};

struct elf_note {
    uint32_t name_bytes, value_bytes, type;
};

static const char *const feature_names[] = {
    [XENFEAT_writable_page_tables] = "writable_page_tables",
    [XENFEAT_writable_descriptor_tables] = "writable_descriptor_tables",
    [XENFEAT_auto_translated_physmap] = "auto_translated_physmap",
    [XENFEAT_supervisor_mode_kernel] = "supervisor_mode_kernel",
    [XENFEAT_pae_pgdir_above_4gb] = "pae_pgdir_above_4gb",
    [XENFEAT_dom0] = "dom0",
};

static bool in_file(const struct elf_image *image, uint64_t offset, uint64_t bytes)
{
    return offset <= image->size && bytes <= image->size - offset;
}

static bool read_program_header(const struct elf_image *image, unsigned index,
                                struct elf_program_header *ph)
{
    const struct elf_header *h = (const void *)image->data;

    if (index >= h->phnum)
        return false;
    memcpy(ph, image->data + h->phoff + (uint64_t)index * h->phentsize, sizeof(*ph));
    return true;
}

static bool read_section(const struct elf_image *image, unsigned index,
                         struct elf_section_header *sh)
{
    const struct elf_header *h = (const void *)image->data;

    if (index >= h->shnum || h->shentsize != sizeof(*sh) ||
        !in_file(image, h->shoff, (uint64_t)h->shnum * h->shentsize))
        return false;
    memcpy(sh, image->data + h->shoff + (uint64_t)index * sizeof(*sh), sizeof(*sh));
    return true;
}

static uint64_t note_number(const uint8_t *value, uint32_t bytes)
{
    uint64_t n = 0;

    memcpy(&n, value, MIN(bytes, sizeof(n)));
    return n;
}

// "!a|b|c": names of features.h, '!' marks what the kernel cannot do without.
static void note_features(struct elf_image *image, const char *s, uint32_t bytes)
{
    const char *end = s + strnlen(s, bytes);

    while (s < end) {
        bool required = *s == '!';
        const char *name = s + required, *stop = name;
        while (stop < end && *stop != '|')
            stop++;
        for (unsigned i = 0; i < ARRAY_SIZE(feature_names); i++) {
            const char *known = feature_names[i];
            if (!known || strlen(known) != (size_t)(stop - name) ||
                memcmp(known, name, (size_t)(stop - name)))
                continue;
            image->features_supported |= 1u << i;
            if (required)
                image->features_required |= 1u << i;
        }
        s = stop + 1;
    }
}

void elf_note_apply(struct elf_image *image, uint32_t type, const uint8_t *value, uint32_t bytes)
{
    uint64_t *const numbers[] = {
        [XEN_ELFNOTE_ENTRY] = &image->entry,
        [XEN_ELFNOTE_HYPERCALL_PAGE] = &image->hypercall_page,
        [XEN_ELFNOTE_VIRT_BASE] = &image->virt_base,
        [XEN_ELFNOTE_PADDR_OFFSET] = &image->paddr_offset,
        [XEN_ELFNOTE_HV_START_LOW] = &image->hv_start_low,
        [XEN_ELFNOTE_INIT_P2M] = &image->init_p2m,
        [XEN_ELFNOTE_MOD_START_PFN] = &image->mod_start_pfn,
    };

    if (type < ARRAY_SIZE(numbers) && numbers[type])
        *numbers[type] = note_number(value, bytes);
    else if (type == XEN_ELFNOTE_XEN_VERSION)
        image->is_other_version = bytes && value[0] && (bytes < 7 || memcmp(value, "xen-3.0", 7));
    else if (type == XEN_ELFNOTE_FEATURES)
        note_features(image, (const char *)value, bytes);
    else if (type == XEN_ELFNOTE_SUPPORTED_FEATURES)
        image->features_supported |= (uint32_t)note_number(value, bytes);
    else if (type == XEN_ELFNOTE_BSD_SYMTAB)
        image->wants_symtab = bytes >= 3 && !memcmp(value, "yes", 3);
    // Others (LOADER, PAE_MODE, L1_MFN_VALID, ...) do not matter to a 64-bit PV guest.
}

// Notes are padded to 4 bytes; returns how many of Xen's were found.
static unsigned notes_walk(struct elf_image *image, uint64_t offset, uint64_t bytes)
{
    unsigned found = 0;

    if (!in_file(image, offset, bytes))
        return 0;
    const uint8_t *p = image->data + offset, *end = p + bytes;
    while ((size_t)(end - p) >= sizeof(struct elf_note)) {
        struct elf_note note;
        memcpy(&note, p, sizeof(note));
        p += sizeof(note);
        uint64_t name_room = ((uint64_t)note.name_bytes + 3) & ~3ull;
        uint64_t value_room = ((uint64_t)note.value_bytes + 3) & ~3ull;
        if (name_room + note.value_bytes > (uint64_t)(end - p))
            break;
        if (note.name_bytes == 4 && !memcmp(p, "Xen", 4)) {
            elf_note_apply(image, note.type, p + name_room, note.value_bytes);
            found++;
        }
        p += MIN(name_room + value_room, (uint64_t)(end - p));
    }
    return found;
}

static bool has_name(const struct elf_image *image, const struct elf_section_header *names,
                     const struct elf_section_header *sh, const char *name)
{
    size_t bytes = strlen(name) + 1;

    return sh->name < names->size && names->size - sh->name >= bytes &&
           memcmp(image->data + names->offset + sh->name, name, bytes) == 0;
}

const char *elf_section(const struct elf_image *image, const char *name, size_t *bytes)
{
    const struct elf_header *h = (const void *)image->data;
    struct elf_section_header names, sh;

    if (!read_section(image, h->shstrndx, &names) || !in_file(image, names.offset, names.size))
        return NULL;
    for (unsigned i = 0; read_section(image, i, &sh); i++) {
        if (!has_name(image, &names, &sh, name) || !in_file(image, sh.offset, sh.size))
            continue;
        *bytes = sh.size;
        return (const char *)image->data + sh.offset;
    }
    return NULL;
}

static const char *read_notes(struct elf_image *image)
{
    struct elf_program_header ph;
    struct elf_section_header sh;
    unsigned found = 0;

    for (unsigned i = 0; read_program_header(image, i, &ph); i++) {
        if (ph.type == PT_NOTE)
            found += notes_walk(image, ph.offset, ph.filesz);
    }
    for (unsigned i = 0, before = found; !before && read_section(image, i, &sh); i++) {
        if (sh.type == SHT_NOTE)
            found += notes_walk(image, sh.offset, sh.size);
    }
    for_each_part(kernel_description, part) found += !found && (*part)->read(image);
    if (!found)
        return "the kernel has no Xen notes";
    if (image->is_other_version)
        return "the kernel is for another version of the Xen interface";
    if (image->hv_start_low > HV_VIRT_START)
        return "the kernel leaves the hypervisor too small an address range";
    return NULL;
}

// --- the symbol table. Layout as Xen's domain builders make it: at the first multiple of 8 behind the
// image a 32-bit length of all that follows, an ELF header with no program headers, headers of three
// sections, and the sections, whose offsets count from the ELF header.

struct symtab_head {
    uint32_t bytes; // from `header` to the end of the names
    struct elf_header header;
    struct elf_section_header section[SYMTAB_SECTIONS];
    uint32_t padding;
} __attribute__((packed));
_Static_assert(sizeof(struct symtab_head) == ELF_SYMTAB_HEAD_WORDS * sizeof(uint32_t), "elf.h");

// The symbols and their names; false if the file has none that make sense.
static bool find_symtab(const struct elf_image *image, struct elf_section_header *symbols,
                        struct elf_section_header *names)
{
    for (unsigned i = 0; read_section(image, i, symbols); i++) {
        if (symbols->type == SHT_SYMTAB)
            return in_file(image, symbols->offset, symbols->size) &&
                   read_section(image, symbols->link, names) && names->type == SHT_STRTAB &&
                   in_file(image, names->offset, names->size) &&
                   symbols->size + names->size < UINT32_MAX;
    }
    return false;
}

static void place_symtab(struct elf_image *image)
{
    struct symtab_head *head = (void *)image->symtab_head;
    struct elf_section_header symbols, names;

    if (!find_symtab(image, &symbols, &names))
        return;
    image->symtab_at = (image->end + SYMTAB_ALIGN - 1) & ~(uint64_t)(SYMTAB_ALIGN - 1);
    image->symtab = image->data + symbols.offset;
    image->symtab_bytes = symbols.size;
    image->strtab = image->data + names.offset;
    image->strtab_bytes = names.size;
    symbols.offset = sizeof(*head) - sizeof(head->bytes);
    symbols.link = 2;
    symbols.addr = names.addr = 0;
    // The names are aligned in memory, where the length comes first.
    uint64_t behind = sizeof(*head) + symbols.size;
    names.offset = ((behind + SYMTAB_ALIGN - 1) & ~(uint64_t)(SYMTAB_ALIGN - 1)) -
                   sizeof(head->bytes);
    memcpy(&head->header, image->data, sizeof(head->header));
    head->header.phoff = 0;
    head->header.phentsize = head->header.phnum = head->header.shstrndx = 0;
    head->header.shoff = sizeof(head->header);
    head->header.shnum = SYMTAB_SECTIONS;
    head->section[1] = symbols;
    head->section[2] = names;
    head->bytes = (uint32_t)(names.offset + names.size);
}

// Number `index` of head, symbols, names.
static bool symtab_piece(const struct elf_image *image, unsigned index, struct elf_piece *piece)
{
    const struct symtab_head *head = (const void *)image->symtab_head;
    const uint64_t at = image->symtab_at,
                   names_at = at + sizeof(head->bytes) + head->section[2].offset;
    const struct elf_piece pieces[] = {
        {at,                 sizeof(*head),       sizeof(*head),       (const uint8_t *)head},
        {at + sizeof(*head), image->symtab_bytes, image->symtab_bytes, image->symtab        },
        {names_at,           image->strtab_bytes, image->strtab_bytes, image->strtab        },
    };

    if (!image->symtab_at || index >= ARRAY_SIZE(pieces))
        return false;
    *piece = pieces[index];
    return true;
}

static const char *check_header(const struct elf_image *image)
{
    const struct elf_header *h = (const void *)image->data;

    if (image->size < sizeof(*h) || h->magic != ELF_MAGIC)
        return "the kernel is not an ELF file";
    if (h->class != ELF_CLASS_64 || h->data != ELF_DATA_LITTLE || h->machine != ELF_MACHINE_X86_64)
        return "the kernel is not for 64-bit x86";
    if (h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN)
        return "the kernel is not an executable ELF file";
    if (h->phentsize != sizeof(struct elf_program_header) || !h->phnum ||
        !in_file(image, h->phoff, (uint64_t)h->phnum * h->phentsize))
        return "the kernel's program headers are missing or truncated";
    return NULL;
}

static const char *check_pieces(struct elf_image *image)
{
    struct elf_piece piece;

    image->start = UINT64_MAX;
    image->end = 0;
    for (unsigned i = 0; elf_piece(image, i, &piece); i++) {
        if (piece.file_bytes > piece.memory_bytes)
            return "a segment of the kernel is larger in the file than in memory";
        if (!piece.source)
            return "the kernel file is truncated";
        uint64_t end = piece.address + piece.memory_bytes;
        if (end < piece.address)
            return "a segment of the kernel wraps around the address space";
        image->start = MIN(image->start, piece.address);
        image->end = MAX(image->end, end);
        if (image->start < HV_VIRT_END && image->end > HV_VIRT_START) // or lies on both sides
            return "the kernel overlaps the hypervisor's address range";
        if (piece.address < image->virt_base)
            return "a segment of the kernel lies below its virtual base";
    }
    if (image->end == 0)
        return "the kernel has nothing to load";
    if (image->entry < image->start || image->entry >= image->end)
        return "the entry point lies outside the kernel";
    if (image->hypercall_page != ELF_NO_ADDRESS &&
        (image->hypercall_page < image->start || image->hypercall_page % PAGE_SIZE ||
         image->hypercall_page > image->end - PAGE_SIZE))
        return "the hypercall page lies outside the kernel";
    return NULL;
}

bool elf_piece(const struct elf_image *image, unsigned index, struct elf_piece *piece)
{
    struct elf_program_header ph;

    for (unsigned i = 0; read_program_header(image, i, &ph); i++) {
        if (ph.type != PT_LOAD || ph.memsz == 0)
            continue;
        if (index > 0) {
            index--;
            continue;
        }
        piece->address = ph.paddr - image->paddr_offset + image->virt_base;
        piece->memory_bytes = ph.memsz;
        piece->file_bytes = ph.filesz;
        piece->source = in_file(image, ph.offset, ph.filesz) ? image->data + ph.offset : NULL;
        return true;
    }
    return symtab_piece(image, index, piece);
}

bool elf_p2m_fits(const struct elf_image *image, uint64_t bytes, uint64_t start, uint64_t end)
{
    uint64_t first = image->init_p2m, behind;

    return first % PAGE_SIZE == 0 && bytes - 1 < LOWER_HALF_END &&
           !__builtin_add_overflow(first, (bytes + PAGE_SIZE - 1) & PAGE_MASK, &behind) &&
           (behind <= LOWER_HALF_END || first >= HV_VIRT_END) && (behind <= start || first >= end);
}

const char *elf_parse(struct elf_image *image, const void *data, size_t size)
{
    *image = (struct elf_image){
        .data = data,
        .size = size,
        .hypercall_page = ELF_NO_ADDRESS,
        .init_p2m = ELF_NO_ADDRESS,
    };
    const char *wrong = check_header(image);
    if (wrong)
        return wrong;
    image->entry = ((const struct elf_header *)image->data)->entry;
    wrong = read_notes(image);
    if (!wrong)
        wrong = check_pieces(image);
    if (!wrong && image->wants_symtab) {
        place_symtab(image);
        wrong = check_pieces(image); // now with the symbol table
    }
    return wrong;
}
