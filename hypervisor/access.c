// SPDX-License-Identifier: MIT
// Range sets and the three questions asked of them. See access.h.
#include "hypervisor/access.h"
#include "hypervisor/domain.h"

#define PORT_LAST 0xffffu

static struct range_set denied_iomem, protected_iomem, denied_ports;
static struct spinlock lock = SPINLOCK_INIT(LOCK_ACCESS);
static uint32_t changes; // begun and ended: odd while a set is being changed

bool range_set_contains(const struct range_set *s, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->range[i].first <= first && last <= s->range[i].last)
            return first <= last;
    }
    return false;
}

bool range_set_overlaps(const struct range_set *s, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->range[i].first <= last && first <= s->range[i].last)
            return true;
    }
    return false;
}

// Replace ranges [from, to) by `with` (`n` of them, n <= 2).
static enum refusal splice(struct range_set *s, unsigned from, unsigned to,
                           const struct range *with, unsigned n)
{
    unsigned count = s->count - (to - from) + n;

    if (count > RANGE_SET_MAX)
        return REFUSE_NO_MEMORY;
    memmove(&s->range[from + n], &s->range[to], (s->count - to) * sizeof(*with));
    memcpy(&s->range[from], with, n * sizeof(*with));
    s->count = count;
    return REFUSE_NONE;
}

enum refusal range_set_add(struct range_set *s, uint64_t first, uint64_t last)
{
    struct range merged = {first, last};
    unsigned from = 0, to;

    if (first > last)
        return REFUSE_BAD_ARGUMENT;
    // Skip what ends before `first` without touching it, then swallow what touches the new range.
    while (from < s->count && s->range[from].last < first && first - s->range[from].last > 1)
        from++;
    for (to = from; to < s->count; to++) {
        const struct range *r = &s->range[to];
        if (r->first > merged.last && r->first - merged.last > 1)
            break;
        merged.first = MIN(merged.first, r->first);
        merged.last = MAX(merged.last, r->last);
    }
    return splice(s, from, to, &merged, 1);
}

enum refusal range_set_remove(struct range_set *s, uint64_t first, uint64_t last)
{
    struct range left[2];
    unsigned from = 0, to, n = 0;

    if (first > last)
        return REFUSE_BAD_ARGUMENT;
    while (from < s->count && s->range[from].last < first)
        from++;
    for (to = from; to < s->count && s->range[to].first <= last; to++) {
        const struct range *r = &s->range[to];
        if (r->first < first)
            left[n++] = (struct range){r->first, first - 1};
        if (r->last > last)
            left[n++] = (struct range){last + 1, r->last};
    }
    return splice(s, from, to, left, n);
}

enum refusal access_change(struct range_set *s, uint64_t first, uint64_t last, bool allow)
{
    spin_lock(&lock);
    __atomic_fetch_add(&changes, 1, __ATOMIC_SEQ_CST); // pairs with the loads in is_permitted()
    enum refusal r = allow ? range_set_add(s, first, last) : range_set_remove(s, first, last);
    __atomic_fetch_add(&changes, 1, __ATOMIC_SEQ_CST);
    spin_unlock(&lock);
    return r;
}

// In `allowed` as a whole and in nothing of `denied`.
static bool is_permitted(const struct range_set *allowed, const struct range_set *denied,
                         uint64_t first, uint64_t last)
{
    uint32_t before;
    bool answer;

    do {
        before = __atomic_load_n(&changes, __ATOMIC_ACQUIRE);
        answer = range_set_contains(allowed, first, last) &&
                 !(denied && range_set_overlaps(denied, first, last));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (before & 1 || __atomic_load_n(&changes, __ATOMIC_RELAXED) != before);
    return answer;
}

bool access_iomem_readable(const struct domain *d, uint64_t mfn_first, uint64_t mfn_last)
{
    return is_permitted(&d->access.iomem, &denied_iomem, mfn_first, mfn_last);
}

bool access_has_devices(const struct domain *d)
{
    return d->access.iomem.count || d->access.ports.count;
}

bool access_iomem_permitted(const struct domain *d, uint64_t mfn_first, uint64_t mfn_last)
{
    return access_iomem_readable(d, mfn_first, mfn_last) &&
           is_permitted(&d->access.iomem, &protected_iomem, mfn_first, mfn_last);
}

bool access_port_permitted(const struct domain *d, unsigned first, unsigned last)
{
    return is_permitted(&d->access.ports, &denied_ports, first, last);
}

bool access_pirq_permitted(const struct domain *d, unsigned pirq)
{
    return is_permitted(&d->access.pirqs, NULL, pirq, pirq);
}

void access_deny_iomem(uint64_t mfn_first, uint64_t mfn_last)
{
    BUG_ON(access_change(&denied_iomem, mfn_first, mfn_last, true));
}

enum refusal access_protect_iomem(uint64_t mfn_first, uint64_t mfn_last)
{
    return access_change(&protected_iomem, mfn_first, mfn_last, true);
}

void access_deny_ports(unsigned first, unsigned last)
{
    BUG_ON(access_change(&denied_ports, first, last, true));
}

void access_grant_hardware(struct domain *d)
{
    BUG_ON(access_change(&d->access.iomem, 0, ~0ull >> PAGE_SHIFT, true) ||
           access_change(&d->access.ports, 0, PORT_LAST, true) ||
           access_change(&d->access.pirqs, 0, ~0u, true));
}
