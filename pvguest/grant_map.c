// SPDX-License-Identifier: MIT
/*
 * Using what other domains grant: mapping, unmapping, copying. Operations go out in batches; the
 * hypervisor writes our page-table entries itself (GNTMAP_host_map).
 */
#include <stddef.h>
#include "pvguest/errno.h"
#include "pvguest/grant.h"
#include "pvguest/init.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory_private.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

#define BATCH 32U
#define EAGAIN_TRIES 100U

bool grant_table_map(void *address, xen_pfn_t frame)
{
    return memory_map_at(address, &frame, 1, DOMID_SELF, memory_flags(MEMORY_READ | MEMORY_WRITE),
                         NULL) == 0;
}

static int status_to_error(int status)
{
    switch (status) {
    case GNTST_okay:
        return 0;
    case GNTST_bad_domain:
        return -XEN_ESRCH;
    case GNTST_permission_denied:
        return -XEN_EPERM;
    case GNTST_no_device_space:
    case GNTST_no_space:
        return -XEN_ENOSPC;
    case GNTST_eagain:
        return -XEN_EAGAIN;
    default:
        return -XEN_EINVAL;
    }
}

const char *grant_status_text(int status)
{
    static const char *const texts[] = GNTTABOP_error_msgs;
    int index = -status;
    return index >= 0 && (size_t)index < sizeof(texts) / sizeof(texts[0]) ? texts[index]
                                                                          : "unknown status";
}

/* Maps up to BATCH references; out[i].status tells the result of each. */
static int batch_map(char *address, domid_t domid, const grant_ref_t *refs, size_t n,
                     uint32_t flags, struct grant_mapping *out)
{
    struct gnttab_map_grant_ref ops[BATCH];
    int error = 0;

    for (size_t i = 0; i < n; i++) {
        ops[i] = (struct gnttab_map_grant_ref){.host_addr = (uint64_t)(address + (i << PAGE_SHIFT)),
                                               .flags = flags,
                                               .ref = refs[i],
                                               .dom = domid};
    }
    long rc = hypercall_grant_table_op(GNTTABOP_map_grant_ref, ops, (unsigned int)n);
    for (size_t i = 0; i < n; i++) {
        int16_t status = rc != 0 ? GNTST_general_error : ops[i].status;
        bool ok = status == GNTST_okay;
        out[i] = (struct grant_mapping){.address = ok ? address + (i << PAGE_SHIFT) : NULL,
                                        .maddr = ok ? ops[i].dev_bus_addr : 0,
                                        .handle = ops[i].handle,
                                        .status = status};
        if (!ok && error == 0) {
            error = rc != 0 ? (int)rc : status_to_error(status);
        }
    }
    return error;
}

/* GNTST_eagain: the frame is being moved about by the hypervisor. */
static int batch_map_retry(char *address, domid_t domid, const grant_ref_t *refs, size_t n,
                           uint32_t flags, struct grant_mapping *out)
{
    int error = batch_map(address, domid, refs, n, flags, out);
    for (unsigned int tries = 0; error == -XEN_EAGAIN && tries < EAGAIN_TRIES; tries++) {
        grant_unmap_at(out, n);
        priv_yield();
        error = batch_map(address, domid, refs, n, flags, out);
    }
    return error;
}

int grant_map_at(void *address, domid_t domid, const grant_ref_t *refs, size_t n, bool readonly,
                 struct grant_mapping *out)
{
    uint32_t flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0);

    for (size_t base = 0; base < n; base += BATCH) {
        size_t count = n - base < BATCH ? n - base : BATCH;
        int error = batch_map_retry((char *)address + (base << PAGE_SHIFT), domid, &refs[base],
                                    count, flags, &out[base]);
        if (error != 0) {
            grant_unmap_at(out, base + count);
            return error;
        }
    }
    return 0;
}

int grant_map(domid_t domid, const grant_ref_t *refs, size_t n, bool readonly,
              struct grant_mapping *out)
{
    void *address = memory_reserve(n);
    if (address == NULL) {
        return -XEN_ENOMEM;
    }
    int error = grant_map_at(address, domid, refs, n, readonly, out);
    if (error != 0) {
        memory_release(address, n);
    }
    return error;
}

void grant_unmap_at(struct grant_mapping *mappings, size_t n)
{
    struct gnttab_unmap_grant_ref ops[BATCH];
    unsigned int count = 0;

    for (size_t i = 0; i < n; i++) {
        if (mappings[i].status == GNTST_okay && mappings[i].address != NULL) {
            ops[count++] = (struct gnttab_unmap_grant_ref){
                .host_addr = (uint64_t)mappings[i].address, .handle = mappings[i].handle};
            mappings[i].address = NULL;
        }
        if (count == BATCH || (i + 1 == n && count > 0)) {
            ASSERT(hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, ops, count) == 0);
            count = 0;
        }
    }
}

void grant_unmap(struct grant_mapping *mappings, size_t n)
{
    void *address = n > 0 ? mappings[0].address : NULL;
    grant_unmap_at(mappings, n);
    if (address != NULL) {
        memory_release(address, n);
    }
}

int grant_copy(struct gnttab_copy *ops, size_t n)
{
    long rc = hypercall_grant_table_op(GNTTABOP_copy, ops, (unsigned int)n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        for (unsigned int tries = 0; ops[i].status == GNTST_eagain && tries < EAGAIN_TRIES;
             tries++) {
            priv_yield();
            rc = hypercall_grant_table_op(GNTTABOP_copy, &ops[i], 1);
        }
    }
    return (int)rc;
}
