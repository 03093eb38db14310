// SPDX-License-Identifier: MIT
/*
 * How many grants a domain may have mapped in dom0 through its disks. The handles of mappings are dom0's,
 * of a fixed number for all its back ends, so each domain has a limit, over all its disks, and all
 * domains together have one. Two kinds are counted apart, because the one kind comes back soon and the
 * other stays until a connection ends: a domain that keeps all it can still does transfers, and so do
 * the others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

enum blkback_handles {
    BLKBACK_HANDLES_MOVING, /* of requests in flight */
    BLKBACK_HANDLES_KEPT,   /* of feature-persistent */
    BLKBACK_HANDLES_KINDS
};

#define BLKBACK_DOMAIN_HANDLES 1024U /* of each kind: one full ring of full requests */
#define BLKBACK_ALL_HANDLES 32768U   /* of each kind, in all domains */

struct blkback_account;

/* The domain's account, made for its first disk; NULL: no memory. */
struct blkback_account *blkback_account_get(domid_t domid);
/* NULL is allowed. All that was taken has been given back when the last disk goes. */
void blkback_account_put(struct blkback_account *account);

bool blkback_handles_free(const struct blkback_account *account, enum blkback_handles kind,
                          unsigned int count);
/* Counts handles whether or not they are free: ask before. */
void blkback_handles_take(struct blkback_account *account, enum blkback_handles kind,
                          unsigned int count);
void blkback_handles_give(struct blkback_account *account, enum blkback_handles kind,
                          unsigned int count);
