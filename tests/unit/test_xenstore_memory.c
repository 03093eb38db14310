// SPDX-License-Identifier: MIT
/*
 * The store's memory: counted against held, quotas at the end of transactions, and requests for which dom0 has
 * none.
 */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"
#include "tests/report.h"
#include "tests/unit/store_fixture.h"

/* --- memory ------------------------------------------------------------------------------------------ */
/* All that is counted, of all clients. */
static size_t counted(void)
{
    size_t sum = store.books.held;

    for (struct xenstore_connection *c = store.connections; c; c = c->next) {
        sum += c->memory + c->output_size;
    }
    return sum;
}

static void held_is_counted(size_t before)
{
    size_t really = held - before;
    size_t sum = counted();

    CU_ASSERT_TRUE(sum > really * 8 / 10 && sum < really * 12 / 10);
    if (sum <= really * 8 / 10 || sum >= really * 12 / 10) {
        printf("%zu counted, %zu held\n", sum, really);
    }
}

static void accounting(void)
{
    setup();
    struct xenstore_connection *a = guest(1);
    char text[256];
    const size_t before = held - counted();  /* connections, domains */
    for (unsigned int i = 0; i < 900; i++) { /* long names, no values */
        memset(text, 'n', sizeof(text));
        snprintf(text, 100, "data/%u", i);
        text[strlen(text)] = '-';
        text[200] = '\0';
        CU_ASSERT_EQUAL_FATAL(write_node(a, 0, text, 0), XS_WRITE);
        settle();
    }
    held_is_counted(before);
    for (unsigned int i = 0; i < 100; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "data/%u%ctoken", i, 0) + 1;
        CU_ASSERT_EQUAL(ask_tx(a, XS_WATCH, 0, text, length), XS_WATCH);
    }
    held_is_counted(before);
    /* Former states: each transaction sees others. */
    for (unsigned int t = 0; t < 9; t++) {
        uint32_t tx = transaction(a);
        for (unsigned int i = 0; i < 100; i++) {
            snprintf(text, sizeof(text), "data/%u", i);
            (void)write_node(a, tx, text, 100);
            (void)write_node(a, 0, text, 500 + t);
            settle();
        }
        held_is_counted(before);
    }
    xenstore_transaction_reset(a);
    xenstore_watch_reset(a);
    settle();
    held_is_counted(before);
    teardown();
}

/* Ten transactions below ten parents, each below the quota. */
static void quota_at_commit(void)
{
    setup();
    struct xenstore_connection *a = guest(1);
    uint32_t tx[XENSTORE_TRANSACTIONS_MAX];
    char text[64];
    for (unsigned int t = 0; t < XENSTORE_TRANSACTIONS_MAX; t++) {
        snprintf(text, sizeof(text), "data/p%u", t);
        CU_ASSERT_EQUAL(write_node(a, 0, text, 0), XS_WRITE);
    }
    for (unsigned int t = 0; t < XENSTORE_TRANSACTIONS_MAX; t++) {
        tx[t] = transaction(a);
        for (unsigned int i = 0; i < 700; i++) {
            snprintf(text, sizeof(text), "data/p%u/n%u", t, i);
            if (write_node(a, tx[t], text, 0) != XS_WRITE) {
                break;
            }
        }
    }
    unsigned int done = 0;
    for (unsigned int t = 0; t < XENSTORE_TRANSACTIONS_MAX; t++) {
        done += end(a, tx[t]) == XS_TRANSACTION_END;
        CU_ASSERT_TRUE(done == 1 || strcmp(word, "ENOSPC") == 0 || strcmp(word, "ENOMEM") == 0);
        settle();
    }
    CU_ASSERT_EQUAL(done, 1);
    CU_ASSERT_TRUE(xenstore_domain_find(&store, 1, false)->nodes <= XENSTORE_NODES_MAX);
    teardown();
}

/* Two hostile guests with all that they can have open, and a third that works on. */
static void hostile_memory(void)
{
    enum { ROUNDS = 12, NODES = 600 };
    setup();
    struct xenstore_connection *a[2] = {guest(1), guest(2)}, *c = guest(3);
    char text[64];
    size_t most = 0;
    for (unsigned int round = 0; round < ROUNDS; round++) {
        for (unsigned int g = 0; g < 2; g++) {
            ASK(a[g], XS_TRANSACTION_START, "");
            for (unsigned int i = 0; i < NODES; i++) {
                snprintf(text, sizeof(text), "data/n%u", i);
                (void)write_node(a[g], 0, text, 2000 - round);
                most = held > most ? held : most;
            }
        }
        uint32_t tx = transaction(c);
        CU_ASSERT_EQUAL(write_node(c, tx, "data/x", 10), XS_WRITE);
        CU_ASSERT_EQUAL(end(c, tx), XS_TRANSACTION_END);
        settle();
    }
    most -= held_before;
    CU_ASSERT_TRUE(most < 2 * XENSTORE_MEMORY_MAX + XENSTORE_STATES_MAX + (2U << 20));
    CU_ASSERT_EQUAL(end(a[0], 1), XS_ERROR); /* the oldest has lost its state */
    CU_ASSERT_STRING_EQUAL(word, "EAGAIN");
    printf("hostile_memory: at most %zu KiB\n", most >> 10);
    teardown();
}

/* --- no memory --------------------------------------------------------------------------------------- */
static const struct {
    uint32_t type;
    bool in_transaction;
    const char *payload;
    size_t length;
} requests[] = {
#define REQUEST(type, tx, text)                                                                    \
    {                                                                                              \
        type, tx, text, sizeof(text)                                                               \
    }
    REQUEST(XS_WRITE, false, "data/a/b/c\0value"),
    REQUEST(XS_WRITE, false, "data/old\0a longer value than it was"),
    REQUEST(XS_MKDIR, false, "data/d/e"),
    REQUEST(XS_RM, false, "data/old"),
    REQUEST(XS_SET_PERMS, false, "data/old\0n1\0r2"),
    REQUEST(XS_GET_PERMS, false, "data/old"),
    REQUEST(XS_READ, false, "data/old"),
    REQUEST(XS_DIRECTORY, false, "data"),
    REQUEST(XS_DIRECTORY_PART, false, "data\0000"),
    REQUEST(XS_WATCH, false, "data/w\0token"),
    REQUEST(XS_UNWATCH, false, "data\0t"),
    REQUEST(XS_GET_DOMAIN_PATH, false, "12345"),
    REQUEST(XS_TRANSACTION_START, false, ""),
    REQUEST(XS_WRITE, true, "data/a/b/c\0value"),
    REQUEST(XS_RM, true, "data/old"),
    REQUEST(XS_SET_PERMS, true, "data/old\0n1\0r2"),
    REQUEST(XS_TRANSACTION_END, true, "T"),
    REQUEST(XS_RESET_WATCHES, false, ""),
};

/* What can be seen of the store: all of it, in one number. */
static uint64_t picture(void)
{
    struct xenstore_walk *walk = __real_malloc(sizeof(*walk));
    struct xenstore_node *node;
    uint64_t sum = 0;

    xenstore_walk_start(walk, store.tree.root, "/");
    while ((node = xenstore_walk_next(walk)) != NULL) {
        CU_ASSERT_TRUE(node->live);
        sum = sum * 31 + xenstore_hash_text(&store, walk->path) + node->length + node->perm_count;
    }
    __real_free(walk);
    return sum;
}

/* One request with its n-th allocation failing; true if it did not get that far. */
static bool request_fails(size_t number, unsigned int n, bool privileged)
{
    setup();
    struct xenstore_connection *g = guest(1), *c = privileged ? root : g;
    guest(2);
    CU_ASSERT_EQUAL(ASK(g, XS_WRITE, "data/old\0value that is longer than a spare reply"),
                    XS_WRITE);
    CU_ASSERT_EQUAL(ASK(g, XS_WATCH, "data\0t"), XS_WATCH);
    char payload[128];
    size_t at = 0;
    if (privileged && strncmp(requests[number].payload, "data", 4) == 0) {
        at = (size_t)sprintf(payload, "/local/domain/1/");
    }
    memcpy(payload + at, requests[number].payload, requests[number].length);
    if (privileged && requests[number].type == XS_UNWATCH) {
        CU_ASSERT_EQUAL(ask_tx(c, XS_WATCH, 0, payload, at + requests[number].length), XS_WATCH);
    }
    uint32_t tx = requests[number].in_transaction ? transaction(c) : 0;
    if (requests[number].type == XS_TRANSACTION_END) {
        char path[64];
        snprintf(path, sizeof(path), "%sdata/a/b", privileged ? "/local/domain/1/" : "");
        CU_ASSERT_EQUAL(write_node(c, tx, path, 9), XS_WRITE);
        snprintf(path, sizeof(path), "%sdata/c/d", privileged ? "/local/domain/1/" : "");
        CU_ASSERT_EQUAL(write_node(c, tx, path, 9), XS_WRITE);
    }
    settle();
    events_drop(g);
    const uint64_t before = picture();
    allocations = 0;
    fail_at = n;
    uint32_t answer = ask_tx(c, requests[number].type, tx, payload, at + requests[number].length);
    const bool over = allocations < n;
    fail_at = 0;
    CU_ASSERT_FALSE(c->broken);
    if (answer != requests[number].type) {
        CU_ASSERT_TRUE(strcmp(word, "ENOMEM") == 0 || strcmp(word, "NOTHING") == 0);
        CU_ASSERT_EQUAL(picture(), before);
    }
    settle();
    if (answer != requests[number].type && requests[number].type != XS_TRANSACTION_END) {
        CU_ASSERT_EQUAL(ask_tx(c, requests[number].type, tx, payload, at + requests[number].length),
                        requests[number].type); /* it can be tried again */
        settle();
    }
    if (requests[number].type == XS_WRITE && !tx) {
        CU_ASSERT_EQUAL(g->event_count, 1); /* late perhaps, but not lost */
    }
    xenstore_transaction_reset(c);
    settle();
    CU_ASSERT_EQUAL(store.books.held, store.live);
    teardown();
    return over;
}

static void no_memory(void)
{
    unsigned int cases = 0;

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (unsigned int privileged = 0; privileged < 2; privileged++) {
            for (unsigned int n = 1; !request_fails(i, n, privileged); n++) {
                cases++;
            }
        }
    }
    printf("no_memory: %u failing allocations\n", cases);
    CU_ASSERT_TRUE(cases > 150);
}

/* Connecting and starting, too. */
static void no_memory_to_start(void)
{
    const size_t before = held;
    for (unsigned int n = 1; n <= 4; n++) {
        allocations = 0;
        fail_at = n;
        CU_ASSERT_EQUAL(xenstore_init(&store), -XEN_ENOMEM);
        fail_at = 0;
        CU_ASSERT_EQUAL(held, before);
    }
    setup();
    for (unsigned int n = 1; n <= 2; n++) {
        allocations = 0;
        fail_at = n;
        CU_ASSERT_PTR_NULL(xenstore_connect(&store, 1));
        fail_at = 0;
    }
    teardown();
}

static const struct report_case cases[] = {
    REPORT_CASE(accounting), REPORT_CASE(quota_at_commit),    REPORT_CASE(hostile_memory),
    REPORT_CASE(no_memory),  REPORT_CASE(no_memory_to_start),
};

int main(void)
{
    return report_run("xenstore_memory", cases, sizeof(cases) / sizeof(cases[0]));
}
