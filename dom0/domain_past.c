// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/domain.h"
#include "dom0/domain_death.h"
#include "dom0/domain_past.h"
#include "pvguest/hypercall.h"

#define REFUSALS_ROOM 64U /* more than the hypervisor keeps */

static struct domain_past *pasts;

static void past_free(struct domain_past *past)
{
    free(past->name);
    free(past->refusals);
    free(past);
}

static void trim(void)
{
    unsigned int count = 0;

    for (struct domain_past **slot = &pasts; *slot;) {
        struct domain_past *past = *slot;
        if (++count > DOMAIN_PAST_MAX) {
            *slot = past->next;
            past_free(past);
        } else {
            slot = &past->next;
        }
    }
}

static void refusals_keep(struct domain_past *past)
{
    struct paravane_refusal *room = calloc(REFUSALS_ROOM, sizeof(*room));
    struct paravane_refusals op = {
        .domid = past->domid,
        .count = REFUSALS_ROOM,
        .buffer = (uint64_t)(uintptr_t)room,
    };

    if (!room) {
        return;
    }
    past->has_refusals = hypercall_paravane_op(PARAVANE_refusals, &op) == 0;
    past->refusal_count = past->has_refusals ? op.count : 0;
    past->refusals_lost = past->has_refusals ? op.lost : 0;
    past->refusals = past->refusal_count > 0 ? realloc(room, past->refusal_count * sizeof(*room))
                                             : NULL;
    if (!past->refusals) {
        free(room);
        past->refusal_count = 0;
    }
}

void domain_past_keep(const struct domain *domain)
{
    struct domain_past *past = calloc(1, sizeof(*past));
    char *name = strdup(domain->config.name);

    if (!past || !name) {
        free(past);
        free(name);
        return;
    }
    past->serial = domain->serial;
    past->domid = domain->domid;
    past->name = name;
    past->shut_down = domain->shut_down;
    past->reason = domain->reason;
    domain_ending(domain, past->ending, sizeof(past->ending));
    refusals_keep(past);
    past->next = pasts;
    pasts = past;
    trim();
}

const struct domain_past *domain_past_find(const char *name)
{
    domid_t domid;
    bool numeric = domain_number(name, &domid);
    const struct domain_past *past = pasts;

    while (past && (numeric ? past->domid != domid : strcmp(past->name, name) != 0)) {
        past = past->next;
    }
    return past;
}

const struct domain_past *domain_past_by_serial(uint64_t serial)
{
    const struct domain_past *past = pasts;

    while (past && past->serial != serial) {
        past = past->next;
    }
    return past;
}
