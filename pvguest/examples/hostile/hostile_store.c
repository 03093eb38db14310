// SPDX-License-Identifier: MIT
/* Attacks through the store that need much of it: everything up to its quotas, and large transactions. */
#include "hostile_store.h"

#include <stdio.h>
#include <string.h>

#include <xen/errno.h>
#include "pvguest/xenbus.h"

#define WATCHES 120U
#define WATCHES_TOLD                                                                               \
    2U /* of all changes: who does not read what comes of more is not served any more */
#define CHANGES 884U
#define LEAVES 350U /* of each of two deep paths */
#define LEVELS 56U
#define TRANSACTIONS 10U
#define READS_MAX 20000U
#define VALUE_SIZE 1200U

static void watch_fired(struct xenbus_watch *watch, const char *path)
{
    (void)watch, (void)path;
}

static void prepare(void)
{
    static struct xenbus_watch watches[WATCHES];
    unsigned int made = 0;

    while (made < WATCHES) {
        watches[made].path = made < WATCHES_TOLD ? "data" : "data/beside";
        watches[made].fired = watch_fired;
        if (xenbus_watch(&watches[made])) {
            break;
        }
        made++;
    }
    printf("hostile: %u watches\n", made);
    xenbus_write(XENBUS_NO_TRANSACTION, "data/beside", "x", 1);
    xenbus_write(XENBUS_NO_TRANSACTION, "data/over", "0", 1); /* while there is room */
}

static void end_tell(const char *what, uint32_t transaction, unsigned int changes)
{
    /* Others have changed the store meanwhile. */
    xenbus_write(XENBUS_NO_TRANSACTION, "data/beside", "z", 1);
    printf("hostile: %s: %u changes end with %d\n", what, changes,
           xenbus_transaction_end(transaction, false));
    xenbus_write(XENBUS_NO_TRANSACTION, "data/beside", "y", 1); /* waits until all are told */
}

static void commit_flat(void)
{
    char path[32];
    uint32_t transaction;
    unsigned int changes = 0;

    if (xenbus_transaction_start(&transaction)) {
        return;
    }
    for (int rc = 0; rc == 0 && changes < CHANGES; changes += rc == 0) {
        snprintf(path, sizeof(path), "data/flat/%u", changes);
        rc = xenbus_write(transaction, path, "x", 1);
    }
    end_tell("flat", transaction, changes);
    xenbus_rm(XENBUS_NO_TRANSACTION, "data/flat");
}

/* Leaves at the ends of two deep paths, in turn. The number that could be written. */
static unsigned int leaves_write(uint32_t transaction)
{
    char path[32 + 2 * LEVELS];
    unsigned int leaf = 0;

    for (int rc = 0; rc == 0 && leaf < 2 * LEAVES; leaf += rc == 0) {
        size_t at = (size_t)sprintf(path, "data/deep/%c", leaf % 2 ? 'r' : 'l');
        for (unsigned int level = 0; level < LEVELS; level++) {
            at += (size_t)sprintf(path + at, "/x");
        }
        sprintf(path + at, "/%u", leaf);
        rc = xenbus_write(transaction, path, "x", 1);
    }
    return leaf;
}

static void commit_deep(void)
{
    uint32_t transaction;

    leaves_write(XENBUS_NO_TRANSACTION);
    if (xenbus_transaction_start(&transaction) == 0) {
        end_tell("deep", transaction, leaves_write(transaction));
    }
}

/* As many paths as may be remembered. */
static void reads(uint32_t transaction)
{
    char path[32], *value;
    int rc = -XEN_ENOENT;

    for (unsigned int i = 0; rc == -XEN_ENOENT && i < READS_MAX; i++) {
        snprintf(path, sizeof(path), "data/nothing%u", i);
        rc = xenbus_read(transaction, path, &value, NULL);
    }
}

void large_commit(struct victim *v)
{
    uint32_t transaction;

    (void)v;
    prepare();
    commit_flat();
    commit_deep();
    if (xenbus_transaction_start(&transaction) == 0) {
        reads(transaction);
        end_tell("reads", transaction, 0);
    }
    for (unsigned int i = 0; i < TRANSACTIONS && xenbus_transaction_start(&transaction) == 0; i++) {
        reads(transaction);
    }
    xenbus_write(XENBUS_NO_TRANSACTION, "data/over", "1", 1);
}

/* Values, watches, transactions, what these remember, and the states that they keep alive. */
void large_fill(struct victim *v)
{
    static char value[VALUE_SIZE];
    char path[32];
    uint32_t transaction[TRANSACTIONS];
    unsigned int nodes = 0, transactions = 0;

    (void)v;
    prepare();
    while (nodes < READS_MAX) {
        snprintf(path, sizeof(path), "data/%u", nodes);
        if (xenbus_write(XENBUS_NO_TRANSACTION, path, value, sizeof(value))) {
            break;
        }
        nodes++;
    }
    while (transactions < TRANSACTIONS &&
           xenbus_transaction_start(&transaction[transactions]) == 0) {
        transactions++;
        for (unsigned int i = 0; i < nodes; i++) {
            snprintf(path, sizeof(path), "data/%u", i);
            xenbus_write(XENBUS_NO_TRANSACTION, path, value, sizeof(value) - transactions);
        }
    }
    for (unsigned int i = 0; i < transactions; i++) {
        reads(transaction[i]);
    }
    xenbus_write(XENBUS_NO_TRANSACTION, "data/over", "1", 1);
    printf("hostile: %u nodes and %u transactions%s\n", nodes, transactions,
           nodes == READS_MAX ? ", no limit found" : "");
}
