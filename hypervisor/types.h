// SPDX-License-Identifier: MIT
// The types that every part of the hypervisor shares: frame numbers that cannot be mixed up,
// and the ABI's own types from Xen's public headers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

// A machine frame number, a machine address in bytes.
typedef struct {
    uint64_t v;
} mfn_t;
typedef struct {
    uint64_t v;
} maddr_t;

#define MFN(n) ((mfn_t){(n)})
#define MADDR(n) ((maddr_t){(n)})
#define MFN_INVALID MFN(~0ull)

static inline maddr_t mfn_to_maddr(mfn_t mfn)
{
    return MADDR(mfn.v << PAGE_SHIFT);
}

static inline mfn_t maddr_to_mfn(maddr_t maddr)
{
    return MFN(maddr.v >> PAGE_SHIFT);
}

static inline bool mfn_is_valid(mfn_t mfn)
{
    return mfn.v != ~0ull;
}

// The intrusive doubly linked list used throughout; an empty list points to itself.
struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline void list_insert_before(struct list *pos, struct list *item)
{
    item->prev = pos->prev;
    item->next = pos;
    pos->prev->next = item;
    pos->prev = item;
}

// Append to the end of the list whose head is `head`.
static inline void list_append(struct list *head, struct list *item)
{
    list_insert_before(head, item);
}

static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#define LIST_FOR_EACH(pos, head)                                                                   \
    for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

// --- Canonical addresses: the 47-bit halves that 4-level paging knows.
#define CANONICAL_SHIFT 16

static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << CANONICAL_SHIFT) >> CANONICAL_SHIFT) == address;
}

// --- The list of frames that a domain owns, or that are free: links are frame numbers inside
// struct frame (hypervisor/frame.h has the operations). Frame 0 is never on a list, so 0 ends it.
struct page_list {
    uint32_t first, last; // frame numbers, 0 = empty
    uint64_t count;       // frames on the list
};
