// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <xen/errno.h>

#include "dom0/guest_layout.h"

#define PADDING (512ULL << 10) /* at least that much is mapped behind the last thing */
#define REGION_ALIGN (4ULL << 20)
#define PTE_PRESENT 0x001ULL
#define PTE_WRITE 0x002ULL
#define PTE_USER 0x004ULL
#define PTE_ACCESSED 0x020ULL
#define PTE_DIRTY 0x040ULL
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define PTE_PAGE (PTE_PRESENT | PTE_USER | PTE_ACCESSED)

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE;
}

/* A half-open range of addresses. */
struct range {
    uint64_t start, end;
};

/* Tables of one level (12 + 9 * level bits each) that cover two ranges; the second may be empty. */
static uint64_t tables_at(const struct range *a, const struct range *b, unsigned int shift)
{
    uint64_t a_first = a->start >> shift, a_last = (a->end - 1) >> shift;
    uint64_t count = a_last - a_first + 1;

    if (b->start < b->end) {
        uint64_t b_first = b->start >> shift, b_last = (b->end - 1) >> shift;
        uint64_t low = a_first > b_first ? a_first : b_first;
        uint64_t high = a_last < b_last ? a_last : b_last;
        count += b_last - b_first + 1 - (low <= high ? high - low + 1 : 0);
    }
    return count;
}

static uint64_t tables_count(const struct range *a, const struct range *b)
{
    return 1 + tables_at(a, b, 39) + tables_at(a, b, 30) + tables_at(a, b, 21);
}

/* Tables, stack and what follows them: the tables map themselves, so their number is found by
 * trying until it does not grow. */
static void tables_place(struct guest_layout *layout)
{
    struct range all = {layout->virt_base, 0};
    struct range p2m = {layout->p2m_virt, layout->p2m_virt + layout->p2m_pages * GUEST_PAGE_SIZE};
    uint64_t needed = 1;

    if (!layout->p2m_virt) {
        p2m.end = p2m.start;
    }
    do {
        layout->table_count = needed;
        layout->stack_pfn = layout->tables_pfn + layout->table_count;
        all.end = layout->virt_base + (layout->stack_pfn + 1) * GUEST_PAGE_SIZE + PADDING;
        all.end = (all.end + REGION_ALIGN - 1) & ~(REGION_ALIGN - 1);
        if (all.end < all.start) {
            all.end = 0 - GUEST_PAGE_SIZE; /* the kernel lies at the very end of the addresses */
        }
        layout->mapped_pages = (all.end - all.start) / GUEST_PAGE_SIZE;
        if (layout->mapped_pages > layout->page_count) {
            layout->mapped_pages = layout->page_count;
            all.end = all.start + layout->mapped_pages * GUEST_PAGE_SIZE;
        }
        needed = tables_count(&all, &p2m);
    } while (needed != layout->table_count);
}

/* The list lies where the kernel wants it: on whole pages, in the guest's part of the addresses (it
 * may not wrap around them), and not on anything else that is mapped. */
static bool p2m_fits(const struct guest_layout *layout)
{
    uint64_t start = layout->p2m_virt, end = start + layout->p2m_pages * GUEST_PAGE_SIZE;
    uint64_t mapped_end = layout->virt_base + layout->mapped_pages * GUEST_PAGE_SIZE;

    return start % GUEST_PAGE_SIZE == 0 && start < end &&
           (end <= 0x0000800000000000ULL || start >= GUEST_RESERVED_END) &&
           (end <= layout->virt_base || start >= mapped_end);
}

int guest_layout_make(struct guest_layout *layout, const struct guest_image *image,
                      uint64_t page_count, uint64_t initrd_size, struct guest_error *error)
{
    uint64_t initrd_pages = pages_of(initrd_size);
    uint64_t next = pages_of(image->virt_end - image->virt_base);

    memset(layout, 0, sizeof(*layout));
    layout->virt_base = image->virt_base;
    layout->page_count = page_count;
    layout->p2m_pages = pages_of(page_count * sizeof(uint64_t));
    layout->initrd_size = initrd_size;
    if (next >= page_count || initrd_pages >= page_count) {
        snprintf(error->text, sizeof(error->text),
                 "kernel and initrd need %llu KiB, the guest has %llu KiB",
                 (unsigned long long)(next + initrd_pages) * 4, (unsigned long long)page_count * 4);
        return -XEN_ENOMEM;
    }
    if (!image->mod_start_pfn) {
        layout->initrd_pfn = next;
        next += initrd_pages;
    }
    if (image->has_init_p2m) {
        layout->p2m_virt = image->init_p2m;
    } else {
        layout->p2m_pfn = next;
        next += layout->p2m_pages;
    }
    layout->start_info_pfn = next++;
    layout->store_pfn = next++;
    layout->console_pfn = next++;
    layout->tables_pfn = next;
    tables_place(layout);
    next = layout->stack_pfn + 1;
    if (image->has_init_p2m) {
        if (!p2m_fits(layout)) {
            snprintf(error->text, sizeof(error->text), "the p2m cannot lie at 0x%llx",
                     (unsigned long long)image->init_p2m);
            return -XEN_EINVAL;
        }
        layout->p2m_pfn = next;
        next += layout->p2m_pages;
    }
    if (image->mod_start_pfn && initrd_pages) {
        layout->initrd_pfn = next;
        next += initrd_pages;
    }
    layout->used_pages = next;
    if (next > page_count) {
        snprintf(error->text, sizeof(error->text),
                 "kernel, initrd and start-up tables need %llu KiB, the guest has %llu KiB",
                 (unsigned long long)next * 4, (unsigned long long)page_count * 4);
        return -XEN_ENOMEM;
    }
    return 0;
}

struct writer {
    const struct guest_layout *layout;
    const uint64_t *p2m;
    uint64_t (*tables)[512];
    uint64_t used; /* tables so far */
};

/* Index of the table of the next level that entry `index` of a table names; made if absent. */
static uint64_t table_next(struct writer *w, uint64_t table, unsigned int index)
{
    uint64_t *entry = &w->tables[table][index];

    if (!*entry) {
        *entry = (w->p2m[w->layout->tables_pfn + w->used] << 12) | PTE_TABLE;
        w->tables[table][index] = *entry;
        return w->used++;
    }
    for (uint64_t i = 0; i < w->used; i++) {
        if (w->p2m[w->layout->tables_pfn + i] == *entry >> 12) {
            return i;
        }
    }
    return 0; /* not reached: every entry was made above */
}

static void range_map(struct writer *w, uint64_t virt, uint64_t pfn, uint64_t count)
{
    const struct guest_layout *layout = w->layout;
    uint64_t table = 0, last = ~0ULL;

    for (uint64_t i = 0; i < count; i++, virt += GUEST_PAGE_SIZE) {
        bool is_table = pfn + i >= layout->tables_pfn &&
                        pfn + i < layout->tables_pfn + layout->table_count;
        if (virt >> 21 != last) {
            last = virt >> 21;
            table = table_next(w, 0, (virt >> 39) & 511);
            table = table_next(w, table, (virt >> 30) & 511);
            table = table_next(w, table, (virt >> 21) & 511);
        }
        w->tables[table][(virt >> 12) & 511] = (w->p2m[pfn + i] << 12) | PTE_PAGE |
                                               (is_table ? 0 : PTE_WRITE | PTE_DIRTY);
    }
}

void guest_layout_write_tables(const struct guest_layout *layout, const uint64_t *p2m,
                               uint64_t (*tables)[512])
{
    struct writer w = {layout, p2m, tables, 1};

    range_map(&w, layout->virt_base, 0, layout->mapped_pages);
    if (layout->p2m_virt) {
        range_map(&w, layout->p2m_virt, layout->p2m_pfn, layout->p2m_pages);
    }
}
