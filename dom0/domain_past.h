// SPDX-License-Identifier: MIT
/*
 * Domains that are gone: how they ended, and the hypercalls that Paravane had refused to them. Found by
 * name or number as long as they are among the last DOMAIN_PAST_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

#include "hypercalls/paravane.h"

#define DOMAIN_PAST_MAX 32U /* records of refusals: at most some 7 KiB each */

struct domain;

struct domain_past {
    struct domain_past *next; /* newest first */
    uint64_t serial;
    domid_t domid;
    char *name;
    char ending[160]; /* "crash: ..." */
    bool shut_down;   /* by itself, for `reason`; otherwise it was destroyed */
    unsigned int reason;
    /* What was refused, oldest first, and how many calls before are not kept. */
    struct paravane_refusal *refusals;
    uint32_t refusal_count;
    uint64_t refusals_lost;
    bool has_refusals; /* the hypervisor keeps them */
};

/* To be called while the domain is still there. Without memory, there is no record. */
void domain_past_keep(const struct domain *domain);
/* The newest of a name or number, or the one of a serial; NULL. */
const struct domain_past *domain_past_find(const char *name);
const struct domain_past *domain_past_by_serial(uint64_t serial);
