// SPDX-License-Identifier: MIT
// Which domain has which id, and the references that keep its structure.
//
// A slot for each id. Looking up takes no lock and costs the same however many domains there are: read
// the slot, then take a reference, which fails once there are none. Between the two nothing keeps the
// structure, so both happen with interrupts off, and who frees one does it in this order:
//  1. the last reference goes; from here on no look-up gets one any more;
//  2. the slot is emptied: look-ups that begin later do not find the domain at all;
//  3. domain_table_wait(): every CPU answers an interrupt. One that is between the two steps answers when
//     it is through, with a NULL; one that answers earlier begins its next look-up after step 2;
//  4. the structure is freed.
// A domain counts as dead for look-ups when its last reference goes, not when its slot is emptied: until
// then it is a zombie, which can be found, listed, and asked about.
//
// Whoever has a reference may take more of them. A vcpu that runs is one of its domain, so the caller of a
// hypercall needs none for itself.
//
// The table is changed under LOCK_DOMAIN_LIST. `used` says the same in bits, for those who go through all
// domains; it is a hint where to look, the slot decides.
#include "hypervisor/domain.h"
#include "hypervisor/smp.h"

#define BITS 64
#define REFS_LIMIT 0x80000000u // a look-up that would pass it is refused

static struct spinlock lock = SPINLOCK_INIT(LOCK_DOMAIN_LIST);
static struct domain *slot[DOMID_FIRST_RESERVED];      // atomic
static uint64_t used[DOMID_FIRST_RESERVED / BITS + 1]; // atomic

struct domain *domain_get_by_id(domid_t id)
{
    if (id >= DOMID_FIRST_RESERVED)
        return NULL;
    uint64_t flags = irq_save();
    struct domain *d = __atomic_load_n(&slot[id],
                                       __ATOMIC_ACQUIRE); // pairs with domain_table_insert()
    if (d && !domain_get_below(d, REFS_LIMIT))
        d = NULL;
    irq_restore(flags);
    return d;
}

struct domain *domain_get_next(domid_t first)
{
    for (unsigned id = first; id < DOMID_FIRST_RESERVED; id++) {
        uint64_t rest = __atomic_load_n(&used[id / BITS], __ATOMIC_ACQUIRE) >> id % BITS;
        if (!rest) {
            id |= BITS - 1;
            continue;
        }
        id += (unsigned)__builtin_ctzll(rest);
        struct domain *d = domain_get_by_id((domid_t)id);
        if (d)
            return d;
    }
    return NULL;
}

bool domain_table_has(domid_t id)
{
    return __atomic_load_n(&slot[id], __ATOMIC_RELAXED);
}

enum refusal domain_table_insert(struct domain *d)
{
    enum refusal r = REFUSE_DOMAIN_EXISTS;

    spin_lock(&lock);
    if (!slot[d->id]) {
        __atomic_store_n(&slot[d->id], d, __ATOMIC_RELEASE); // who finds it finds it complete
        __atomic_fetch_or(&used[d->id / BITS], 1ull << d->id % BITS, __ATOMIC_RELEASE);
        r = REFUSE_NONE;
    }
    spin_unlock(&lock);
    return r;
}

void domain_table_remove(const struct domain *d)
{
    spin_lock(&lock);
    __atomic_fetch_and(&used[d->id / BITS], ~(1ull << d->id % BITS), __ATOMIC_RELEASE);
    __atomic_store_n(&slot[d->id], NULL, __ATOMIC_RELEASE);
    spin_unlock(&lock);
}

static void answer(void)
{
}

void domain_table_wait(void)
{
    cpu_call(cpumask_all(), answer);
}
