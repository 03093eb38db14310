// SPDX-License-Identifier: MIT
/* Accounts are few (one a domain with disks) and looked up when a disk is connected, so they are a list. */
#include "dom0/blkback_budget.h"

#include <stdlib.h>

struct blkback_account {
    domid_t domid;
    unsigned int disks;
    unsigned int used[BLKBACK_HANDLES_KINDS];
    struct blkback_account *next;
};

static struct blkback_account *accounts;
static unsigned int used_by_all[BLKBACK_HANDLES_KINDS];

struct blkback_account *blkback_account_get(domid_t domid)
{
    struct blkback_account *account = accounts;

    while (account != NULL && account->domid != domid) {
        account = account->next;
    }
    if (account == NULL) {
        account = calloc(1, sizeof(*account));
        if (account == NULL) {
            return NULL;
        }
        account->domid = domid;
        account->next = accounts;
        accounts = account;
    }
    account->disks++;
    return account;
}

void blkback_account_put(struct blkback_account *account)
{
    struct blkback_account **link = &accounts;

    if (account == NULL || --account->disks != 0) {
        return;
    }
    while (*link != account) {
        link = &(*link)->next;
    }
    *link = account->next;
    free(account);
}

bool blkback_handles_free(const struct blkback_account *account, enum blkback_handles kind,
                          unsigned int count)
{
    return account->used[kind] + count <= BLKBACK_DOMAIN_HANDLES &&
           used_by_all[kind] + count <= BLKBACK_ALL_HANDLES;
}

void blkback_handles_take(struct blkback_account *account, enum blkback_handles kind,
                          unsigned int count)
{
    account->used[kind] += count;
    used_by_all[kind] += count;
}

void blkback_handles_give(struct blkback_account *account, enum blkback_handles kind,
                          unsigned int count)
{
    account->used[kind] -= count;
    used_by_all[kind] -= count;
}
