// SPDX-License-Identifier: MIT
/*
 * Where everything of a new guest lies (xen/xen.h, "Start-of-day memory layout"): kernel, initrd,
 * p2m, start_info, store and console pages, page tables, stack, one after the other from the
 * kernel's base on, frame 0 first. Also writes the initial page tables. Pure: no hypercalls.
 *
 *   pfn 0                                               mapped_pages             page_count
 *   | kernel | [initrd] | [p2m] | start_info | store | console | tables | stack | [p2m] [initrd] | rest
 *
 * The p2m lies behind the stack, with its own addresses, if the kernel has the INIT_P2M note; an
 * initrd lies there unmapped if the kernel has MOD_START_PFN.
 */
#pragma once

#include "dom0/guest_image.h"

#define GUEST_PAGE_SIZE 4096ULL

struct guest_layout {
    uint64_t virt_base;
    uint64_t page_count;   /* the guest's memory */
    uint64_t used_pages;   /* up to the last thing that has contents */
    uint64_t mapped_pages; /* that the first page tables map from virt_base on */
    uint64_t initrd_pfn, initrd_size;
    uint64_t p2m_pfn, p2m_pages, p2m_virt;
    uint64_t start_info_pfn, store_pfn, console_pfn, stack_pfn;
    uint64_t tables_pfn, table_count; /* the first is the root */
};

/* -XEN_ENOMEM or -XEN_EINVAL, with a reason. */
int guest_layout_make(struct guest_layout *layout, const struct guest_image *image,
                      uint64_t page_count, uint64_t initrd_size, struct guest_error *error);

/*
 * Fills layout->table_count zeroed pages. `p2m` has a frame number for each page of the guest;
 * tables[i] is mapped memory of frame tables_pfn + i.
 */
void guest_layout_write_tables(const struct guest_layout *layout, const uint64_t *p2m,
                               uint64_t (*tables)[512]);
