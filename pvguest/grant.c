// SPDX-License-Identifier: MIT
/*
 * Granting our frames to other domains: the shared table, version 1.
 *
 * Free entries form a list through their own `frame` fields (a free entry has flags 0, so the
 * hypervisor does not look at it). An entry is published by writing domid and frame first and flags
 * last; it is taken back by exchanging flags for 0, which fails while GTF_reading or GTF_writing
 * show a mapping.
 */
#include <stddef.h>
#include <stdlib.h>
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/init.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/time.h"

#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define FRAMES_MAX 64U
#define NO_REF 0U /* a reserved entry ends the list */
#define RETRY_NS (100 * NSEC_PER_MSEC)

static struct grant_entry_v1 *table;
static unsigned int frame_count, frame_limit;
static uint32_t free_head = NO_REF;
static size_t free_count;

/* Adds one frame to the table and its entries to the free list. */
static bool table_grow(void)
{
    xen_pfn_t frames[FRAMES_MAX];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = frame_count + 1};

    if (frame_count >= frame_limit) {
        return false;
    }
    set_xen_guest_handle(setup.frame_list, frames);
    if (hypercall_grant_table_op(GNTTABOP_setup_table, &setup, 1) != 0 ||
        setup.status != GNTST_okay ||
        !grant_table_map(&table[frame_count * ENTRIES_PER_FRAME], frames[frame_count])) {
        return false;
    }
    uint32_t first = frame_count * (uint32_t)ENTRIES_PER_FRAME;
    uint32_t end = first + (uint32_t)ENTRIES_PER_FRAME;
    for (uint32_t ref = end; ref-- > first;) {
        if (ref >= GNTTAB_NR_RESERVED_ENTRIES) {
            table[ref].frame = free_head;
            free_head = ref;
            free_count++;
        }
    }
    frame_count++;
    return true;
}

void grant_start(void)
{
    struct gnttab_query_size query = {.dom = DOMID_SELF};

    frame_limit = 1;
    if (hypercall_grant_table_op(GNTTABOP_query_size, &query, 1) == 0 &&
        query.status == GNTST_okay) {
        frame_limit = query.max_nr_frames < FRAMES_MAX ? query.max_nr_frames : FRAMES_MAX;
    }
    table = memory_reserve(FRAMES_MAX);
}

int grant_access(domid_t domid, uint64_t mfn, bool readonly)
{
    if (mfn > UINT32_MAX) {
        return -XEN_EINVAL; /* version 1 has 32 bits for the frame */
    }
    unsigned long saved = event_save();
    if (free_head == NO_REF && (table == NULL || !table_grow())) {
        event_restore(saved);
        return -XEN_ENOSPC;
    }
    uint32_t ref = free_head;
    free_head = table[ref].frame;
    free_count--;
    event_restore(saved);

    table[ref].domid = domid;
    table[ref].frame = (uint32_t)mfn;
    uint16_t flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
    __atomic_store_n(&table[ref].flags, flags, __ATOMIC_RELEASE);
    return (int)ref;
}

bool grant_is_busy(grant_ref_t ref)
{
    return (__atomic_load_n(&table[ref].flags, __ATOMIC_ACQUIRE) & (GTF_reading | GTF_writing)) !=
           0;
}

bool grant_end(grant_ref_t ref)
{
    uint16_t flags = __atomic_load_n(&table[ref].flags, __ATOMIC_RELAXED);
    do {
        if ((flags & (GTF_reading | GTF_writing)) != 0) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&table[ref].flags, &flags, 0, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    unsigned long saved = event_save();
    table[ref].frame = free_head;
    free_head = ref;
    free_count++;
    event_restore(saved);
    return true;
}

size_t grant_free_count(void)
{
    return free_count;
}

/* Ending later ---------------------------------------------------------------------------------- */

struct late_end {
    struct late_end *next;
    grant_ref_t ref;
    void *page;
};

static struct late_end *late_ends;
static struct timer late_timer;

static void late_retry(void *arg)
{
    (void)arg;
    struct late_end **link = &late_ends;
    while (*link != NULL) {
        struct late_end *end = *link;
        if (!grant_end(end->ref)) {
            link = &end->next;
            continue;
        }
        page_free(end->page, 0);
        *link = end->next;
        free(end);
    }
    if (late_ends != NULL) {
        timer_set(&late_timer, time_now() + RETRY_NS, late_retry, NULL);
    }
}

void grant_end_later(grant_ref_t ref, void *page)
{
    if (grant_end(ref)) {
        page_free(page, 0);
        return;
    }
    struct late_end *end = malloc(sizeof(*end));
    if (end == NULL) {
        return; /* reference and page stay with the peer: lost, but nothing is corrupted */
    }
    unsigned long saved = event_save();
    *end = (struct late_end){late_ends, ref, page};
    late_ends = end;
    timer_set(&late_timer, time_now() + RETRY_NS, late_retry, NULL);
    event_restore(saved);
}
