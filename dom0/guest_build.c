// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#include "dom0/domctl.h"
#include "dom0/guest_build.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"

#define E820_RAM 1U
#define EFLAGS_IF 0x200U
#define MAXMEM_SLACK_KIB 1024U /* as Xen's toolstack allows */

struct work {
    struct guest_build *build;
    struct guest_image image;
    struct guest_layout layout;
    uint64_t *p2m;
    uint64_t first_pfn; /* of the window that is mapped here */
    uint8_t *window;
    uint64_t window_pages;
    uint64_t shared_info_mfn;
};

/* Notes which step failed; passes rc on. */
static int step(struct work *w, const char *what, int rc)
{
    if (rc) {
        snprintf(w->build->error.text, sizeof(w->build->error.text), "%s failed: %s", what,
                 errno_name(rc));
    }
    return rc;
}

static void *page_at(const struct work *w, uint64_t pfn)
{
    return w->window + (pfn - w->first_pfn) * PAGE_SIZE;
}

static uint64_t virt_of(const struct work *w, uint64_t pfn)
{
    return w->layout.virt_base + pfn * PAGE_SIZE;
}

/* What XENMEM_memory_map tells the guest: RAM from 0 to its limit. */
static int memory_map_set(struct work *w)
{
    struct {
        uint64_t address, size;
        uint32_t type;
    } __attribute__((packed)) entry = {0, w->build->maxmem_kib << 10, E820_RAM};
    struct xen_foreign_memory_map map;

    memset(&map, 0, sizeof(map));
    map.domid = w->build->domid;
    map.map.nr_entries = 1;
    set_xen_guest_handle(map.map.buffer, &entry);
    return (int)hypercall_memory_op(XENMEM_set_memory_map, &map);
}

static int domain_make(struct work *w)
{
    struct guest_build *build = w->build;
    struct xen_domctl_getdomaininfo info;
    int rc = step(w, "creating the domain",
                  domctl_create(build->uuid, &build->limits, &build->domid));

    if (rc) {
        return rc;
    }
    rc = step(w, "setting the number of vcpus",
              domctl_max_vcpus(build->domid, build->limits.vcpus));
    rc = rc ? rc
            : step(w, "setting the memory limit",
                   domctl_max_mem(build->domid, build->maxmem_kib + MAXMEM_SLACK_KIB));
    rc = rc ? rc : step(w, "setting the memory map", memory_map_set(w));
    rc = rc ? rc : step(w, "asking for the domain", domctl_get_info(build->domid, &info));
    w->shared_info_mfn = rc ? 0 : info.shared_info_frame;
    return rc;
}

static int memory_short(struct work *w, uint64_t free_pages)
{
    snprintf(w->build->error.text, sizeof(w->build->error.text),
             "not enough memory: the guest wants %llu KiB, %llu KiB are free",
             (unsigned long long)w->layout.page_count * 4, (unsigned long long)free_pages * 4);
    return -XEN_ENOMEM;
}

/* Says so at once when it cannot work, before anything is taken. */
static int memory_check(struct work *w)
{
    struct xen_sysctl_physinfo info;
    int rc = step(w, "asking for free memory", sysctl_physinfo(&info));

    if (rc == 0 && w->layout.page_count > info.free_pages + info.scrub_pages) {
        rc = memory_short(w, info.free_pages + info.scrub_pages);
    }
    return rc;
}

/* All memory in single pages: the list of pfns goes in, the list of mfns comes out. */
static int memory_populate(struct work *w)
{
    struct xen_memory_reservation reservation;
    const uint64_t count = w->layout.page_count;
    long done;

    w->p2m = malloc(count * sizeof(*w->p2m));
    if (!w->p2m) {
        return step(w, "listing the guest's memory", -XEN_ENOMEM);
    }
    for (uint64_t i = 0; i < count; i++) {
        w->p2m[i] = i;
    }
    memset(&reservation, 0, sizeof(reservation));
    set_xen_guest_handle(reservation.extent_start, w->p2m);
    reservation.nr_extents = count;
    reservation.domid = w->build->domid;
    done = hypercall_memory_op(XENMEM_populate_physmap, &reservation);
    if (done == (long)count) {
        return 0;
    }
    return done < 0 ? step(w, "allocating memory", (int)done) : memory_short(w, (uint64_t)done);
}

/* True if the page is filled from the file, every byte of it. */
static bool page_is_covered(const struct work *w, uint64_t virt)
{
    for (unsigned int i = 0; i < w->image.segment_count; i++) {
        const struct guest_segment *segment = &w->image.segments[i];
        if (segment->virt <= virt && virt + PAGE_SIZE <= segment->virt + segment->file_size) {
            return true;
        }
    }
    return false;
}

/* New memory may hold anything: clears what is not overwritten. */
static void contents_write(struct work *w)
{
    const struct guest_layout *layout = &w->layout;

    for (uint64_t i = 0; i < w->window_pages; i++) {
        if (!page_is_covered(w, virt_of(w, w->first_pfn + i))) {
            memset(w->window + i * PAGE_SIZE, 0, PAGE_SIZE);
        }
    }
    for (unsigned int i = 0; i < w->image.segment_count; i++) {
        const struct guest_segment *segment = &w->image.segments[i];
        uint64_t offset = segment->virt - virt_of(w, w->first_pfn);
        memcpy(w->window + offset, segment->data, segment->file_size);
    }
    if (layout->initrd_size) {
        memcpy(page_at(w, layout->initrd_pfn), w->build->initrd, layout->initrd_size);
    }
    memcpy(page_at(w, layout->p2m_pfn), w->p2m, layout->page_count * sizeof(uint64_t));
    guest_layout_write_tables(layout, w->p2m, page_at(w, layout->tables_pfn));
}

static void start_info_write(struct work *w)
{
    const struct guest_layout *layout = &w->layout;
    const struct guest_build *build = w->build;
    struct start_info *info = page_at(w, layout->start_info_pfn);

    strcpy(info->magic, "xen-3.0-x86_64");
    info->nr_pages = layout->page_count;
    info->shared_info = w->shared_info_mfn << PAGE_SHIFT;
    info->store_mfn = build->store_mfn;
    info->store_evtchn = build->store_port;
    info->console.domU.mfn = build->console_mfn;
    info->console.domU.evtchn = build->console_port;
    info->pt_base = virt_of(w, layout->tables_pfn);
    info->nr_pt_frames = layout->table_count;
    info->mfn_list = layout->p2m_virt ? layout->p2m_virt : virt_of(w, layout->p2m_pfn);
    if (layout->p2m_virt) {
        info->first_p2m_pfn = layout->p2m_pfn;
        info->nr_p2m_frames = layout->p2m_pages;
    }
    if (layout->initrd_size) {
        info->mod_len = layout->initrd_size;
        info->mod_start = w->image.mod_start_pfn ? layout->initrd_pfn
                                                 : virt_of(w, layout->initrd_pfn);
        info->flags |= w->image.mod_start_pfn ? SIF_MOD_START_PFN : 0;
    }
    info->flags |= SIF_VIRT_P2M_4TOOLS;
    snprintf((char *)info->cmd_line, sizeof(info->cmd_line), "%s", build->cmdline);
}

/* Maps everything that has contents, writes it, and lets go: page tables must not be mapped
 * writable when they are pinned. */
static int memory_write(struct work *w)
{
    w->first_pfn = (w->image.virt_start - w->layout.virt_base) / PAGE_SIZE;
    w->window_pages = w->layout.used_pages - w->first_pfn;
    w->window = memory_map_frames(&w->p2m[w->first_pfn], w->window_pages, w->build->domid,
                                  MEMORY_READ | MEMORY_WRITE, NULL);
    if (!w->window) {
        return step(w, "mapping the guest's memory", -XEN_ENOMEM);
    }
    contents_write(w);
    start_info_write(w);
    memory_unmap(w->window, w->window_pages);
    return 0;
}

static int root_pin(struct work *w)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE};
    unsigned int done = 0;

    op.arg1.mfn = w->p2m[w->layout.tables_pfn];
    return step(w, "pinning the page tables",
                (int)hypercall_mmuext_op(&op, 1, &done, w->build->domid));
}

/* No upcalls before the guest asks for them. */
static int shared_info_write(struct work *w)
{
    struct shared_info *shared = memory_map_frames(&w->shared_info_mfn, 1, w->build->domid,
                                                   MEMORY_READ | MEMORY_WRITE, NULL);

    if (!shared) {
        return step(w, "mapping the shared page", -XEN_ENOMEM);
    }
    memset(shared, 0, sizeof(*shared));
    for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        shared->vcpu_info[i].evtchn_upcall_mask = 1;
    }
    memory_unmap(shared, 1);
    return 0;
}

static int ports_make(struct work *w)
{
    struct guest_build *build = w->build;
    int store = event_alloc_unbound_for(build->domid, 0);
    int console = store < 0 ? store : event_alloc_unbound_for(build->domid, 0);

    if (console < 0) {
        return step(w, "allocating event channels", console);
    }
    build->store_port = (uint32_t)store;
    build->console_port = (uint32_t)console;
    build->store_mfn = w->p2m[w->layout.store_pfn];
    build->console_mfn = w->p2m[w->layout.console_pfn];
    return 0;
}

/* Entries 0 and 1 of the guest's grant table let dom0 map its console and store pages. */
static int grants_seed(struct work *w)
{
    struct xen_mem_acquire_resource resource;
    struct grant_entry_v1 *entries;
    xen_pfn_t frame = 0;
    int rc;

    memset(&resource, 0, sizeof(resource));
    resource.domid = w->build->domid;
    resource.type = XENMEM_resource_grant_table;
    resource.id = XENMEM_resource_grant_table_id_shared;
    resource.nr_frames = 1;
    set_xen_guest_handle(resource.frame_list, &frame);
    rc = step(w, "reaching the grant table",
              (int)hypercall_memory_op(XENMEM_acquire_resource, &resource));
    if (rc) {
        return rc;
    }
    entries = memory_map_frames(&frame, 1, w->build->domid, MEMORY_READ | MEMORY_WRITE, NULL);
    if (!entries) {
        return step(w, "mapping the grant table", -XEN_ENOMEM);
    }
    entries[GNTTAB_RESERVED_CONSOLE].domid = 0;
    entries[GNTTAB_RESERVED_CONSOLE].frame = (uint32_t)w->build->console_mfn;
    entries[GNTTAB_RESERVED_XENSTORE].domid = 0;
    entries[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)w->build->store_mfn;
    /* Valid only when domain and frame stand; the hypervisor's read of flags is the partner. */
    __atomic_store_n(&entries[GNTTAB_RESERVED_CONSOLE].flags, GTF_permit_access, __ATOMIC_RELEASE);
    __atomic_store_n(&entries[GNTTAB_RESERVED_XENSTORE].flags, GTF_permit_access, __ATOMIC_RELEASE);
    memory_unmap(entries, 1);
    return 0;
}

static int vcpu_prepare(struct work *w)
{
    const struct guest_layout *layout = &w->layout;
    struct vcpu_guest_context *context = calloc(1, sizeof(*context));
    int rc;

    if (!context) {
        return step(w, "describing the first vcpu", -XEN_ENOMEM);
    }
    context->flags = VGCF_in_kernel | VGCF_online;
    context->user_regs.rip = w->image.entry;
    context->user_regs.rsp = virt_of(w, layout->stack_pfn + 1);
    context->user_regs.rsi = virt_of(w, layout->start_info_pfn);
    context->user_regs.rflags = EFLAGS_IF;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->user_regs.ds = FLAT_KERNEL_DS;
    context->user_regs.es = FLAT_KERNEL_DS;
    context->user_regs.fs = FLAT_KERNEL_DS;
    context->user_regs.gs = FLAT_KERNEL_DS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = context->user_regs.rsp;
    context->ctrlreg[3] = xen_pfn_to_cr3(w->p2m[layout->tables_pfn]);
    rc = step(w, "starting the first vcpu", domctl_set_vcpu_context(w->build->domid, 0, context));
    free(context);
    return rc;
}

static int hypercall_page_write(struct work *w)
{
    uint64_t pfn = (w->image.hypercall_page - w->layout.virt_base) / PAGE_SIZE;

    return w->image.has_hypercall_page ? step(w, "writing the hypercall page",
                                              domctl_hypercall_init(w->build->domid, w->p2m[pfn]))
                                       : 0;
}

/* The long steps are behind and before this. */
static int interrupt_look(struct work *w)
{
    return console_interrupted() ? step(w, "waiting for it (interrupted)", -XEN_EAGAIN) : 0;
}

static int domain_fill(struct work *w)
{
    int rc = memory_populate(w);

    rc = rc ? rc : interrupt_look(w);
    rc = rc ? rc : ports_make(w);
    rc = rc ? rc : memory_write(w);
    rc = rc ? rc : interrupt_look(w);
    rc = rc ? rc : root_pin(w);
    rc = rc ? rc : hypercall_page_write(w);
    rc = rc ? rc : shared_info_write(w);
    rc = rc ? rc : grants_seed(w);
    return rc ? rc : vcpu_prepare(w);
}

int guest_build(struct guest_build *build)
{
    struct work *w = calloc(1, sizeof(*w));
    int rc;

    if (!w) {
        snprintf(build->error.text, sizeof(build->error.text), "dom0 is out of memory");
        return -XEN_ENOMEM;
    }
    w->build = build;
    build->domid = 0;
    rc = guest_image_parse(&w->image, build->kernel, build->kernel_size, &build->error);
    rc = rc ? rc
            : guest_layout_make(&w->layout, &w->image, build->memory_kib / 4, build->initrd_size,
                                &build->error);
    rc = rc ? rc : memory_check(w);
    rc = rc ? rc : domain_make(w);
    rc = rc ? rc : domain_fill(w);
    if (rc && build->domid) {
        domctl_destroy(build->domid);
        build->domid = 0;
    }
    free(w->p2m);
    free(w);
    return rc;
}
