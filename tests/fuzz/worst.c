// SPDX-License-Identifier: MIT
// Hypercalls with the arguments that should take longest. Nobody looks at their results: what counts is how
// long each keeps its CPU (verdict.c), in instructions when QEMU counts them.
#define __XEN_TOOLS__ 1
#include "tests/fuzz/hostile.h"

#include <stdio.h>
#include <string.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sysctl.h>

#include "pvguest/start.h"
#include "pvguest/event.h"

#define PAGES 1024U
#define ENTRIES (PAGE_SIZE / sizeof(uint64_t))
#define PTE_RAM 0x67UL
#define FRAGMENTS 8U
#define GUEST_ORDER 9U
#define GUEST_EXTENTS 24U
#define DOMAINS 60U
#define PORTS 4000U
#define BATCH 2000U
#define TREE_L2 2U
#define TREE_L1 64U

static uint64_t frames[PAGES];
static union {
    struct mmuext_op ext[BATCH];
    struct mmu_update mmu[BATCH];
    struct gnttab_copy copy[BATCH];
    struct gnttab_map_grant_ref map[BATCH];
    struct gnttab_unmap_grant_ref unmap[BATCH];
    struct multicall_entry call[BATCH];
    char bytes[BATCH * 64];
} batch;

// --- domains

static long domctl(struct xen_domctl *op, uint32_t command, domid_t domain)
{
    op->cmd = command;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = domain;
    return hypercall_domctl(op);
}

static domid_t create(unsigned int vcpus, unsigned int ports)
{
    struct xen_domctl op = {0};

    op.u.createdomain.max_vcpus = vcpus;
    op.u.createdomain.max_evtchn_port = (int32_t)ports;
    op.u.createdomain.max_grant_frames = 64;
    op.u.createdomain.max_maptrack_frames = 1024;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    if (domctl(&op, XEN_DOMCTL_createdomain, 0))
        return DOMID_INVALID;
    domid_t domain = op.domain;
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = vcpus;
    domctl(&op, XEN_DOMCTL_max_vcpus, domain);
    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = 1UL << 20;
    domctl(&op, XEN_DOMCTL_max_mem, domain);
    return domain;
}

static void destroy(domid_t domain)
{
    struct xen_domctl op = {0};

    while (domctl(&op, XEN_DOMCTL_destroydomain, domain) == -XEN_EAGAIN)
        memset(&op, 0, sizeof(op));
}

static long memory(unsigned int command, domid_t domain, unsigned int order, unsigned int count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = domain};

    set_xen_guest_handle(r.extent_start, frames);
    return hypercall_memory_op(command, &r);
}

static void worst_domain(void)
{
    domid_t domain = create(32, PORTS + 1);
    struct evtchn_alloc_unbound port = {.dom = domain, .remote_dom = DOMID_SELF};
    struct evtchn_reset reset = {.dom = domain};
    struct gnttab_setup_table table = {.dom = domain, .nr_frames = 64};
    struct xen_domctl op = {0};

    for (unsigned int i = 0; i < PAGES; i++)
        frames[i] = i << GUEST_ORDER;
    memory(XENMEM_populate_physmap, domain, GUEST_ORDER, GUEST_EXTENTS);
    memory(XENMEM_populate_physmap, domain, 10, 4);
    memory(XENMEM_populate_physmap, domain, 18, 1);
    memory(XENMEM_increase_reservation, domain, 0, PAGES);
    memory(XENMEM_decrease_reservation, domain, 0, PAGES);
    memory(XENMEM_increase_reservation, domain, 10, 4);
    memory(XENMEM_decrease_reservation, domain, 10, 4);
    set_xen_guest_handle(table.frame_list, frames);
    hypercall_grant_table_op(GNTTABOP_setup_table, &table, 1);
    while (hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port) == 0)
        ;
    domctl(&op, XEN_DOMCTL_pausedomain, domain);
    hypercall_event_channel_op(EVTCHNOP_reset, &reset);
    while (hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port) == 0)
        ;
    destroy(domain);
}

// Lists of all domains, while there are many.
static void worst_lists(void)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_getdomaininfolist,
                            .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    domid_t domains[DOMAINS];

    for (unsigned int i = 0; i < DOMAINS; i++)
        domains[i] = create(32, 100);
    op.u.getdomaininfolist.max_domains = sizeof(batch) / sizeof(struct xen_domctl_getdomaininfo);
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, (void *)&batch);
    hypercall_sysctl(&op);
    for (unsigned int i = 0; i < DOMAINS; i++)
        destroy(domains[i]);
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_readconsole;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    op.u.readconsole.count = sizeof(batch);
    set_xen_guest_handle(op.u.readconsole.buffer, batch.bytes);
    hypercall_sysctl(&op);
}

// --- memory

// Every second page of some blocks goes back: long lists of single free pages.
static void memory_fragment(void)
{
    for (unsigned int i = 0; i < FRAGMENTS; i++) {
        uint8_t *block = page_alloc(GUEST_ORDER);
        if (!block)
            return;
        for (unsigned int k = 0; k < 1U << GUEST_ORDER; k++) {
            frames[k] = virt_to_mfn(block + k * PAGE_SIZE);
            hypercall_update_va_mapping(block + k * PAGE_SIZE, 0, UVMF_NONE);
            frames[k / 2] = frames[k];
        }
        memory(XENMEM_decrease_reservation, DOMID_SELF, 0, 1U << (GUEST_ORDER - 1));
    }
}

// Neighbours for single frames and back, low in memory and where there are none.
static void worst_exchange(void)
{
    static const unsigned char bits[] = {0, 32, 31, 29, 24, 21, 17, 13, 12};
    static uint64_t out[1U << GUEST_ORDER];

    for (unsigned int i = 0; i < sizeof(bits); i++) {
        uint8_t *block = page_alloc(GUEST_ORDER);
        if (!block)
            return;
        for (unsigned int k = 0; k < 1U << GUEST_ORDER; k++) {
            frames[k] = virt_to_mfn(block + k * PAGE_SIZE);
            out[k] = virt_to_pfn(block + k * PAGE_SIZE);
            hypercall_update_va_mapping(block + k * PAGE_SIZE, 0, UVMF_NONE);
        }
        struct xen_memory_exchange x = {
            .in = {.nr_extents = 1U << GUEST_ORDER, .domid = DOMID_SELF},
            .out = { .nr_extents = 1,
                   .extent_order = GUEST_ORDER,
                   .domid = DOMID_SELF,
                   .mem_flags = XENMEMF_address_bits(bits[i])}
        };
        set_xen_guest_handle(x.in.extent_start, frames);
        set_xen_guest_handle(x.out.extent_start, out);
        bool is_one = hypercall_memory_op(XENMEM_exchange, &x) == 0;
        uint64_t first = out[0];
        for (unsigned int k = 0; k < 1U << GUEST_ORDER; k++) {
            frames[k] = is_one ? first + k : frames[k];
            out[k] = virt_to_pfn(block + k * PAGE_SIZE);
        }
        x.in.nr_extents = x.out.nr_extents = 1U << GUEST_ORDER;
        x.out.extent_order = 0;
        x.nr_exchanged = 0;
        if (!is_one) // single frames for single frames
            hypercall_memory_op(XENMEM_exchange, &x);
        // One step of 2^9 frames: what was got in one piece goes back in single frames.
        x.in.nr_extents = 1;
        x.in.extent_order = GUEST_ORDER;
        x.nr_exchanged = 0;
        hypercall_memory_op(XENMEM_exchange, &x);
        // The block is lost to this kernel: it is not mapped any more.
    }
}

static void page_readonly(uint8_t *page)
{
    hypercall_update_va_mapping(page, virt_to_maddr(page) | 5, UVMF_INVLPG);
}

// A full tree: every entry of every table present. One page is in all entries of level 1.
static uint64_t *tree_make(uint8_t *pages)
{
    const unsigned int count = 2 + TREE_L2 + TREE_L1;
    uint64_t mfn[2 + TREE_L2 + TREE_L1], leaf = virt_to_maddr(pages + count * PAGE_SIZE);

    for (unsigned int i = 0; i < count; i++)
        mfn[i] = virt_to_mfn(pages + i * PAGE_SIZE);
    for (unsigned int t = 0; t < count; t++) {
        uint64_t *table = (uint64_t *)(pages + t * PAGE_SIZE);
        for (unsigned int e = 0; e < ENTRIES; e++) {
            if (t == 0) // L4: our slots are 256-271
                table[e] = e < 256 ? mfn[1] << PAGE_SHIFT | PTE_RAM : 0;
            else if (t == 1)
                table[e] = mfn[2 + e % TREE_L2] << PAGE_SHIFT | PTE_RAM;
            else if (t < 2 + TREE_L2)
                table[e] = mfn[2 + TREE_L2 + e % TREE_L1] << PAGE_SHIFT | PTE_RAM;
            else
                table[e] = leaf | PTE_RAM;
        }
    }
    for (unsigned int i = 0; i < count; i++)
        page_readonly(pages + i * PAGE_SIZE);
    return (uint64_t *)pages;
}

static void mmuext_many(unsigned int command, uint64_t mfn, uint64_t from, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        batch.ext[i] = (struct mmuext_op){.cmd = command};
        batch.ext[i].arg1.mfn = mfn;
        batch.ext[i].arg2.src_mfn = from;
    }
    hypercall_mmuext_op(batch.ext, count, NULL, DOMID_SELF);
}

static void worst_tables(void)
{
    static const unsigned char flushes[] = {MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_ALL,
                                            MMUEXT_INVLPG_LOCAL,    MMUEXT_INVLPG_ALL,
                                            MMUEXT_FLUSH_CACHE,     MMUEXT_FLUSH_CACHE_GLOBAL};
    uint8_t *pages = page_alloc(7);
    if (!pages)
        return;

    uint64_t l4 = virt_to_mfn(tree_make(pages)), l3 = virt_to_mfn(pages + PAGE_SIZE);
    mmuext_many(MMUEXT_PIN_L4_TABLE, l4, 0, 1);
    mmuext_many(MMUEXT_UNPIN_TABLE, l4, 0, 1);
    for (unsigned int i = 0; i < BATCH; i++) { // in and out of the tree that is not pinned
        batch.ext[i] = (struct mmuext_op){.cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L3_TABLE};
        batch.ext[i].arg1.mfn = l3;
    }
    hypercall_mmuext_op(batch.ext, 20, NULL, DOMID_SELF);
    mmuext_many(MMUEXT_NEW_USER_BASEPTR, l4, 0, 1);
    mmuext_many(MMUEXT_NEW_USER_BASEPTR, 0, 0, 1);
    uint8_t *data = page_alloc(1);
    for (unsigned int i = 0; i < sizeof(flushes); i++)
        mmuext_many(flushes[i], (uint64_t)data >> PAGE_SHIFT, 0, BATCH);
    mmuext_many(MMUEXT_CLEAR_PAGE, virt_to_mfn(data), 0, BATCH);
    mmuext_many(MMUEXT_COPY_PAGE, virt_to_mfn(data), virt_to_mfn(data + PAGE_SIZE), BATCH);
    for (unsigned int i = 0; i < BATCH; i++)
        batch.mmu[i] = (struct mmu_update){memory_pte_maddr(data),
                                           virt_to_maddr(data) | (i % 2 ? 0x67 : 0x65)};
    hypercall_mmu_update(batch.mmu, BATCH, NULL, DOMID_SELF);
}

static void worst_descriptors(void)
{
    unsigned long gdt[14];

    for (unsigned int i = 0; i < 14; i++) {
        uint64_t *page = page_alloc(0);
        if (!page)
            return;
        for (unsigned int e = 0; e < ENTRIES; e++)
            page[e] = 0x00cff2000000ffff;
        page_readonly((uint8_t *)page);
        gdt[i] = virt_to_mfn(page);
    }
    hypercall_set_gdt(gdt, 14 * 512);
    hypercall_set_gdt(gdt, 0);
}

// --- events, grants, lists

static void worst_ports(void)
{
    struct evtchn_alloc_unbound port = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_close end;

    for (unsigned int i = 0; i < PORTS; i++)
        if (hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port))
            break;
    for (end.port = 64; end.port <= port.port; end.port++)
        hypercall_event_channel_op(EVTCHNOP_close, &end);
}

static void give_words(uint64_t mfn)
{
    struct evtchn_init_control control = {.control_gfn = mfn};
    struct evtchn_expand_array array = {.array_gfn = mfn};

    hypercall_event_channel_op(EVTCHNOP_init_control, &control);
    while (hypercall_event_channel_op(EVTCHNOP_expand_array, &array) == 0)
        ;
}

// All ports pending when queues begin, all that there are, and none to be had because all are in a queue.
// The kernel hears of no event after this.
static void worst_queues(void)
{
    struct evtchn_alloc_unbound port = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    void *page = page_alloc(0);

    hypercall_event_channel_op(EVTCHNOP_reset, &reset);
    while (hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port) == 0)
        ;
    memset(shared_info_page->evtchn_pending, 0xff, sizeof(shared_info_page->evtchn_pending));
    give_words(virt_to_mfn(page));
    while (hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port) == 0)
        ;
    hypercall_event_channel_op(EVTCHNOP_reset, &reset);
    give_words(virt_to_mfn(page));
    memset(page, 0xff, PAGE_SIZE);
    hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port);
    hypercall_event_channel_op(EVTCHNOP_reset, &reset);
}

static void worst_grants(void)
{
    struct gnttab_setup_table table = {.dom = DOMID_SELF, .nr_frames = 64};
    uint64_t mfn = fuzz_frames[0].mfn;

    set_xen_guest_handle(table.frame_list, frames);
    hypercall_grant_table_op(GNTTABOP_setup_table, &table, 1);
    for (unsigned int i = 0; i < BATCH; i++) {
        batch.copy[i] = (struct gnttab_copy){.len = PAGE_SIZE};
        batch.copy[i].source.domid = batch.copy[i].dest.domid = DOMID_SELF;
        batch.copy[i].source.u.gmfn = batch.copy[i].dest.u.gmfn = mfn;
    }
    hypercall_grant_table_op(GNTTABOP_copy, batch.copy, BATCH);
    for (unsigned int i = 0; i < BATCH; i++)
        batch.map[i] = (struct gnttab_map_grant_ref){.flags = GNTMAP_device_map,
                                                     .ref = 512 + i % 24};
    hypercall_grant_table_op(GNTTABOP_map_grant_ref, batch.map, BATCH);
    for (unsigned int i = 0; i < BATCH; i++)
        batch.unmap[i] = (struct gnttab_unmap_grant_ref){.handle = i, .dev_bus_addr = ~0UL};
    hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, batch.unmap, BATCH);
}

static void worst_multicall(void)
{
    for (unsigned int i = 0; i < BATCH; i++)
        batch.call[i] = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
    hypercall_multicall(batch.call, BATCH);
}

static void worst_numbers(void)
{
    struct xen_memory_map map = {.nr_entries = sizeof(batch) / 20};

    set_xen_guest_handle(map.buffer, (void *)&batch);
    hypercall_memory_op(XENMEM_machine_memory_map, &map);
    memset(&batch, 0, sizeof(batch));
    hypercall_console_io(CONSOLEIO_write, sizeof(batch), &batch);
    printf("\n");
}

void worst_run(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {
        {"multicall",   worst_multicall  },
        {"numbers",     worst_numbers    },
        {"descriptors", worst_descriptors},
        {"ports",       worst_ports      },
        {"grants",      worst_grants     },
        {"tables",      worst_tables     },
        {"fragments",   memory_fragment  },
        {"exchange",    worst_exchange   },
        {"domain",      worst_domain     },
        {"lists",       worst_lists      },
        {"queues",      worst_queues     },
    };

    for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        printf("HOSTILE worst %s\n", all[i].name);
        all[i].run();
    }
}
