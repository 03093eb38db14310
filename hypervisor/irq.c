// SPDX-License-Identifier: MIT
// Pirqs: from a vector to the event channel of the domain that owns the device.
//
// A pirq is free, mapped (it has a source and a vector, masked at its source) or bound (it has a
// port and is unmasked). All interrupts go to the boot CPU. An edge-triggered one is acknowledged at
// once; a level-triggered one is masked at the IO-APIC until the guest says that it has served it.
// Lock: LOCK_IRQ guards mapping and binding, interrupts on. The interrupt handler reads the row of
// its vector without it: rows are complete before they are unmasked and masked before they change.
#include "hypervisor/irq.h"
#include "hypervisor/domain.h"
#include "hypervisor/ioapic.h"
#include "hypervisor/smp.h"
#include "hypervisor/apic.h"

#define TIMER_GSI 0

enum pirq_kind { PIRQ_FREE, PIRQ_GSI, PIRQ_MSI };

struct pirq {
    uint8_t kind; // enum pirq_kind
    uint8_t vector;
    bool is_bound;
    bool is_set_up;            // somebody has said how the line is triggered
    bool awaits_eoi;           // level-triggered, delivered, masked
    struct ioapic_route route; // PIRQ_GSI
    struct msi msi;            // PIRQ_MSI
    struct domain *owner;      // with a reference while bound or mapped
    evtchn_port_t port;
};

static struct pirq pirqs[PIRQ_COUNT];
static uint8_t pirq_of_vector[256];
static unsigned gsi_count;
static struct spinlock lock = SPINLOCK_INIT(LOCK_IRQ);

static void device_interrupt(uint8_t vector)
{
    unsigned number = pirq_of_vector[vector];
    struct pirq *p = &pirqs[number];

    if (!__atomic_load_n(&p->is_bound, __ATOMIC_ACQUIRE))
        return;
    if (p->kind == PIRQ_GSI && p->route.is_level) {
        ioapic_set_masked(number, true);
        p->awaits_eoi = true;
    }
    event_raise_pirq(p->owner, p->port);
}

static void set_masked(unsigned number, bool masked)
{
    struct pirq *p = &pirqs[number];

    if (p->kind == PIRQ_MSI)
        msi_set_masked(&p->msi, masked);
    else
        ioapic_set_masked(number, masked);
}

// --- mapping

static enum refusal claim(struct domain *d, unsigned number, enum pirq_kind kind)
{
    struct pirq *p = &pirqs[number];

    if (p->kind != PIRQ_FREE)
        return REFUSE_PIRQ_IN_USE;
    uint8_t vector = vector_alloc(device_interrupt);
    if (!vector)
        return REFUSE_NO_VECTOR;
    // Its death sets this before it looks through the pirqs, under our lock.
    if (__atomic_load_n(&d->is_dying, __ATOMIC_ACQUIRE) || !domain_get(d)) {
        vector_free(vector);
        return REFUSE_DOMAIN_DYING;
    }
    p->kind = (uint8_t)kind;
    p->vector = vector;
    p->owner = d;
    pirq_of_vector[vector] = (uint8_t)number;
    return REFUSE_NONE;
}

static void release(unsigned number)
{
    struct pirq *p = &pirqs[number];
    struct domain *d = p->owner;

    vector_free(p->vector);
    p->kind = PIRQ_FREE;
    p->owner = NULL;
    domain_put(d);
}

enum refusal irq_map_gsi(struct domain *d, unsigned gsi, int *pirq)
{
    if (gsi >= gsi_count || !access_pirq_permitted(d, gsi))
        return REFUSE_BAD_PIRQ;
    spin_lock(&lock);
    enum refusal r = REFUSE_NONE;
    if (pirqs[gsi].kind == PIRQ_FREE)
        r = claim(d, gsi, PIRQ_GSI);
    else if (pirqs[gsi].owner != d)
        r = REFUSE_PIRQ_IN_USE;
    if (r == REFUSE_NONE)
        *pirq = (int)gsi;
    spin_unlock(&lock);
    return r;
}

static enum refusal map_message(struct domain *d, struct pci_function f, bool is_msix,
                                unsigned entry, int *pirq)
{
    spin_lock(&lock);
    unsigned number = gsi_count;
    while (number < PIRQ_COUNT && pirqs[number].kind != PIRQ_FREE)
        number++;
    enum refusal r = number < PIRQ_COUNT ? claim(d, number, PIRQ_MSI) : REFUSE_NO_VECTOR;
    if (r == REFUSE_NONE) {
        struct pirq *p = &pirqs[number];
        unsigned apic_id = cpu_get(0)->apic_id;
        r = is_msix ? msix_setup(&p->msi, f, entry, p->vector, apic_id)
                    : msi_setup(&p->msi, f, p->vector, apic_id);
        if (r != REFUSE_NONE)
            release(number);
    }
    spin_unlock(&lock);
    if (r == REFUSE_NONE)
        *pirq = (int)number;
    return r;
}

enum refusal irq_map_message(struct domain *d, struct pci_function f, unsigned entry,
                             uint64_t table, int *pirq)
{
    uint64_t found;
    unsigned entries;

    if (!table)
        return map_message(d, f, false, 0, pirq);
    enum refusal r = msix_find_table(f, &found, &entries);
    if (r != REFUSE_NONE)
        return r;
    if (found < table || found - table > UINT32_MAX)
        return REFUSE_BAD_ARGUMENT;
    r = irq_protect_msix(f);
    return r == REFUSE_NONE ? map_message(d, f, true, entry, pirq) : r;
}

enum refusal irq_unmap(struct domain *d, unsigned pirq)
{
    struct pirq *p = &pirqs[pirq];
    enum refusal r = REFUSE_NONE;

    if (pirq >= PIRQ_COUNT)
        return REFUSE_BAD_PIRQ;
    spin_lock(&lock);
    if (p->kind == PIRQ_FREE || p->owner != d)
        r = REFUSE_BAD_PIRQ;
    else if (p->is_bound)
        r = REFUSE_PIRQ_IN_USE;
    else {
        set_masked(pirq, true);
        release(pirq);
    }
    spin_unlock(&lock);
    return r;
}

void irq_unmap_all(struct domain *d)
{
    for (unsigned i = 0; i < PIRQ_COUNT; i++)
        irq_unmap(d, i);
    if (d->eoi_frame)
        frame_put_writable(d->eoi_frame);
    d->eoi_frame = NULL;
}

// --- the page of the domain with a bit for each pirq that wants an eoi

// Lock held. The domain may write the page as well: that is its own affair.
static void eoi_bit_update(unsigned pirq)
{
    const struct pirq *p = &pirqs[pirq];
    uint64_t bit = 1ull << pirq % 64;

    if (!p->owner->eoi_frame)
        return;
    uint64_t *word = (uint64_t *)frame_to_virt(p->owner->eoi_frame) + pirq / 64;
    if (p->is_bound && p->kind == PIRQ_GSI && p->route.is_level)
        __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

enum refusal irq_set_eoi_page(struct domain *d, mfn_t mfn, bool unmasks)
{
    struct frame *f = frame_from_mfn(mfn);
    enum refusal r = frame_get_writable(f, d);

    if (r != REFUSE_NONE)
        return r;
    spin_lock(&lock);
    if (d->eoi_frame) {
        r = REFUSE_BUSY;
    } else {
        d->eoi_frame = f;
        d->eoi_unmasks = unmasks;
        for (unsigned i = 0; i < PIRQ_COUNT; i++) {
            if (pirqs[i].owner == d)
                eoi_bit_update(i);
        }
    }
    spin_unlock(&lock);
    if (r != REFUSE_NONE)
        frame_put_writable(f);
    return r;
}

// --- binding: called back by event/

// Sharing means nothing: a line has one owner here.
static enum refusal bind(struct domain *d, unsigned pirq, evtchn_port_t port)
{
    if (pirq >= PIRQ_COUNT)
        return REFUSE_BAD_PIRQ;
    spin_lock(&lock);
    struct pirq *p = &pirqs[pirq];
    enum refusal r = REFUSE_NONE;
    if (p->owner != d || !access_pirq_permitted(d, pirq))
        r = REFUSE_NOT_PERMITTED;
    else if (p->is_bound)
        r = REFUSE_EVENT_PIRQ_BOUND;
    if (r == REFUSE_NONE) {
        p->port = port;
        __atomic_store_n(&p->is_bound, true, __ATOMIC_RELEASE);
        if (p->kind == PIRQ_GSI) {
            p->route.vector = p->vector;
            p->route.apic_id = (uint8_t)cpu_get(0)->apic_id;
            ioapic_route(pirq, &p->route);
        }
        eoi_bit_update(pirq);
        set_masked(pirq, false);
    }
    spin_unlock(&lock);
    return r;
}

static void nothing(void)
{
}

static void unbind(struct domain *d, unsigned pirq)
{
    spin_lock(&lock);
    struct pirq *p = &pirqs[pirq];
    if (p->owner == d && p->is_bound) {
        set_masked(pirq, true);
        __atomic_store_n(&p->is_bound, false, __ATOMIC_RELEASE);
        // The handler may be under way on the boot CPU; after this it is not, and the owner may go.
        cpu_call(cpumask_of(0), nothing);
        p->awaits_eoi = false;
        eoi_bit_update(pirq);
    }
    spin_unlock(&lock);
}

enum refusal irq_eoi(struct domain *d, unsigned pirq)
{
    if (pirq >= PIRQ_COUNT)
        return REFUSE_BAD_PIRQ;
    spin_lock(&lock);
    struct pirq *p = &pirqs[pirq];
    bool is_own = p->owner == d, is_bound = is_own && p->is_bound;
    evtchn_port_t port = p->port;
    if (is_bound && p->awaits_eoi) {
        p->awaits_eoi = false;
        set_masked(pirq, false);
    }
    spin_unlock(&lock);
    if (is_bound && d->eoi_unmasks)
        event_unmask(d, port); // a port closed meanwhile is left alone by it
    return is_own ? REFUSE_NONE : REFUSE_BAD_PIRQ;
}

void irq_eoi_all(struct domain *d)
{
    for (unsigned i = 0; i < gsi_count; i++)
        irq_eoi(d, i);
}

enum refusal irq_set_trigger(unsigned gsi, bool is_level, bool is_low)
{
    if (gsi >= gsi_count)
        return REFUSE_BAD_PIRQ;
    spin_lock(&lock);
    struct pirq *p = &pirqs[gsi];
    enum refusal r = gsi == TIMER_GSI || p->is_bound || p->is_set_up ? REFUSE_ALREADY : REFUSE_NONE;
    if (r == REFUSE_NONE) {
        p->is_set_up = true;
        p->route.is_level = is_level;
        p->route.is_low = is_low;
    }
    spin_unlock(&lock);
    return r;
}

enum refusal irq_protect_msix(struct pci_function f)
{
    uint64_t table;
    unsigned entries;

    if (msix_find_table(f, &table, &entries) != REFUSE_NONE)
        return REFUSE_NONE; // nothing to protect
    return access_protect_iomem(table >> PAGE_SHIFT, (table + entries * 16 - 1) >> PAGE_SHIFT);
}

void irq_init(void)
{
    static const struct event_pirq_hooks hooks = {bind, unbind};

    ioapic_init();
    gsi_count = MIN(ioapic_gsi_count(), PIRQ_COUNT / 2);
    for (unsigned isa = 0; isa < 16; isa++) {
        struct ioapic_route route = {0};
        unsigned gsi = ioapic_isa_gsi(isa, &route);
        if (gsi < gsi_count)
            pirqs[gsi].route = route;
    }
    for (unsigned gsi = 16; gsi < gsi_count; gsi++)
        pirqs[gsi].route.is_level = pirqs[gsi].route.is_low = true;
    event_set_pirq_hooks(&hooks);
}
