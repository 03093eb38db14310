// SPDX-License-Identifier: MIT
// Simulated machine memory, CPUs' roots and the functions around the memory cores; linked into the
// tests of frames, page types and the flush clock.
#include "tests/unit/host/memory.h"

#include "hypervisor/access.h"
#include "hypervisor/asm.h"
#include "hypervisor/descriptors.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/smp.h"
#include "hypervisor/string.h"
#include "hypervisor/tlb.h"
#include <stdlib.h>

static struct frame table[HOST_FRAMES];
struct frame *const host_frame_table = table;
uint8_t host_ram[HOST_FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));
uint64_t host_m2p[HOST_FRAMES];
uint64_t host_cr3[HV_MAX_CPUS];
void (*host_root_loaded)(unsigned cpu);
struct domain domain_io, domain_system;
struct cpu_features cpu_features = {.phys_bits = 46};
unsigned host_domains_gone;

uint64_t read_cr3(void)
{
    return host_cr3[host_cpu_current];
}

void write_cr3(uint64_t root)
{
    host_cr3[host_cpu_current] = root;
    if (host_root_loaded)
        host_root_loaded(host_cpu_current);
}

void tlb_flush_request(struct cpumask mask)
{
    unsigned self = host_cpu_current;
    CPUMASK_FOR_EACH(id, mask)
    {
        host_cpu_current = (unsigned)id;
        tlb_flush_local();
    }
    host_cpu_current = self;
}

void tlb_flush_serve(void)
{
}

void paging_map_fresh(uint64_t start, uint64_t bytes)
{
    (void)start;
    (void)bytes;
}

void paging_copy_slots(uint64_t *l4, bool with_m2p)
{
    for (unsigned slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++)
        l4[slot] = HOST_OUR_SLOT;
}

// A page of descriptors is good when its first word is not this.
enum refusal descriptor_page_sanitise(uint64_t page[DESCRIPTORS_PER_PAGE])
{
    return page[0] == HOST_BAD_DESCRIPTOR ? REFUSE_BAD_ARGUMENT : REFUSE_NONE;
}

// Device memory: frames [HOST_DEVICE_FIRST, HOST_DEVICE_LAST], the last one read-only.
bool access_iomem_readable(const struct domain *d, uint64_t first, uint64_t last)
{
    return d->is_privileged && first >= HOST_DEVICE_FIRST && last <= HOST_DEVICE_LAST;
}

bool access_has_devices(const struct domain *d)
{
    return d->is_privileged;
}

bool access_iomem_permitted(const struct domain *d, uint64_t first, uint64_t last)
{
    return access_iomem_readable(d, first, last) && last < HOST_DEVICE_LAST;
}

bool domain_get(struct domain *d)
{
    return __atomic_fetch_add(&d->ref_count, 1, __ATOMIC_ACQ_REL) > 0;
}

void domain_put(struct domain *d)
{
    unsigned before = __atomic_fetch_sub(&d->ref_count, 1, __ATOMIC_ACQ_REL);
    BUG_ON(before == 0);
    if (before == 1)
        host_domains_gone++;
}

void host_memory_init(unsigned first, unsigned end)
{
    static bool done;

    BUG_ON(done || first == 0 || end > HOST_FRAMES);
    done = true;
    frame_table_add(first, end);
    memset(host_ram, 0xcc, sizeof(host_ram)); // whatever was in it before
    frames_add_range((uint64_t)first << PAGE_SHIFT, (uint64_t)end << PAGE_SHIFT);
    for (unsigned i = 0; i < host_cpu_count; i++) {
        cpu_table[i].id = i;
        cpu_table[i].is_online = true;
    }
}

struct domain *host_domain(domid_t id, uint64_t max_pages)
{
    struct domain *d = calloc(1, sizeof(*d));

    d->id = id;
    d->ref_count = 1;
    d->max_pages = max_pages;
    d->max_vcpus = 1;
    d->vcpu[0] = calloc(1, sizeof(struct vcpu));
    d->vcpu[0]->domain = d;
    d->vcpu[0]->in_kernel = true;
    d->vcpu[0]->root_kernel = d->vcpu[0]->root_user = MFN_INVALID;
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    return d;
}

void host_domain_free(struct domain *d)
{
    free(d->vcpu[0]);
    free(d);
}

uint64_t host_random(void)
{
    static HOST_PER_THREAD uint64_t state;

    if (state == 0)
        state = 0x9e3779b97f4a7c15 + host_cpu_current;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

struct frame *host_page(struct domain *d)
{
    struct frame *f;
    return domain_alloc_frames(d, 0, 64, M2P_NONE, &f) ? NULL : f;
}

bool ldt_unmap(struct vcpu *v)
{
    return false; // these vcpus have none
}
