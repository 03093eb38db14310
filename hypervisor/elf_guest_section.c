// SPDX-License-Identifier: MIT
// Kernels older than notes: in their place they have a section __xen_guest, with a text of KEY=VALUE between
// commas. A module.
#include "hypervisor/elf.h"
#include "hypervisor/string.h"
#include <xen/elfnote.h>

// Decimal, or hexadecimal behind 0x; what follows is ignored.
static uint64_t text_number(const char *s, const char *end)
{
    unsigned base = end - s > 2 && s[0] == '0' && (s[1] | 0x20) == 'x' ? 16 : 10;
    uint64_t n = 0;

    for (s += base == 16 ? 2 : 0; s < end; s++) {
        unsigned digit = *s <= '9' ? (unsigned)(*s - '0') : (unsigned)((*s | 0x20) - 'a' + 10);
        if (digit >= base)
            break;
        n = n * base + digit;
    }
    return n;
}

// One KEY=VALUE of __xen_guest is the note of the same meaning.
static void guest_key_apply(struct elf_image *image, const char *key, const char *end)
{
    static const struct {
        const char *key;
        uint32_t type;
        bool is_number;
    } keys[] = {
        {"XEN_VER",          XEN_ELFNOTE_XEN_VERSION,    false},
        {"FEATURES",         XEN_ELFNOTE_FEATURES,       false},
        {"VIRT_BASE",        XEN_ELFNOTE_VIRT_BASE,      true },
        {"VIRT_ENTRY",       XEN_ELFNOTE_ENTRY,          true },
        {"ELF_PADDR_OFFSET", XEN_ELFNOTE_PADDR_OFFSET,   true },
        {"HYPERCALL_PAGE",   XEN_ELFNOTE_HYPERCALL_PAGE, true },
        {"BSD_SYMTAB",       XEN_ELFNOTE_BSD_SYMTAB,     false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        size_t length = strlen(keys[i].key);
        const char *value = key + length;
        if ((size_t)(end - key) < length || memcmp(key, keys[i].key, length) ||
            (value < end && *value != '='))
            continue;
        value += value < end;
        uint64_t number = text_number(value, end);
        if (keys[i].is_number)
            elf_note_apply(image, keys[i].type, (const uint8_t *)&number, sizeof(number));
        else if (keys[i].type == XEN_ELFNOTE_BSD_SYMTAB)
            image->wants_symtab = true; // whatever its value
        else
            elf_note_apply(image, keys[i].type, (const uint8_t *)value, (uint32_t)(end - value));
    }
}

static bool guest_section_read(struct elf_image *image)
{
    size_t bytes;
    const char *s = elf_section(image, "__xen_guest", &bytes);

    if (!s)
        return false;
    image->paddr_offset = ELF_NO_ADDRESS;
    for (const char *stop, *end = s + strnlen(s, bytes); s < end; s = stop + 1) {
        for (stop = s; stop < end && *stop != ','; stop++)
            ;
        guest_key_apply(image, s, stop);
    }
    // Linked at their addresses rather than at physical ones, and a page number.
    if (image->paddr_offset == ELF_NO_ADDRESS)
        image->paddr_offset = image->virt_base;
    if (image->hypercall_page != ELF_NO_ADDRESS)
        image->hypercall_page = image->virt_base + (image->hypercall_page << PAGE_SHIFT);
    return true;
}

static const struct kernel_description description = {guest_section_read};
MODULE_PART(kernel_description, description);
