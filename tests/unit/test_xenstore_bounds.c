// SPDX-License-Identifier: MIT
/*
 * The store's bounds: work before others have their turn, and what a dead domain leaves.
 */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"
#include "tests/report.h"
#include "tests/unit/store_fixture.h"

/* More than this no request does, nor a turn of what it leaves: a walk down a path, twice a turn. */
#define STEPS_MAX (4 * XENSTORE_TURN)
#define WRITES 884U
#define WATCHES 127U

/* --- work ------------------------------------------------------------------------------------------- */
static uint64_t worst;

static void work_note(uint64_t before)
{
    uint64_t steps = store.books.work - before;
    worst = steps > worst ? steps : worst;
}

/* All changes of a large transaction against a full set of watches, while another guest has its turns. */
static void storm(void)
{
    setup();
    struct xenstore_connection *a = guest(1), *b = guest(2);
    char text[64];
    for (unsigned int i = 0; i < WATCHES; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "data%ct%u", 0, i) + 1;
        CU_ASSERT_EQUAL(ask_tx(a, XS_WATCH, 0, text, length), XS_WATCH);
        events_drop(a);
    }
    uint32_t tx = transaction(a);
    for (unsigned int i = 0; i < WRITES; i++) {
        snprintf(text, sizeof(text), "data/n%u", i);
        uint64_t before = store.books.work;
        CU_ASSERT_EQUAL_FATAL(write_node(a, tx, text, 0), XS_WRITE);
        work_note(before);
    }
    CU_ASSERT_TRUE(worst <= STEPS_MAX);
    uint64_t before = store.books.work;
    CU_ASSERT_EQUAL(end(a, tx), XS_TRANSACTION_END);
    uint64_t commit = store.books.work - before;
    CU_ASSERT_TRUE(commit <= 13 * WRITES); /* the changes themselves are made at once */
    CU_ASSERT_TRUE(xenstore_busy(a));
    unsigned int turns = 0;
    for (bool more = true; more; turns++) {
        before = store.books.work;
        more = xenstore_work(&store);
        events_drop(a); /* a client that reads is not broken, and costs most */
        CU_ASSERT_TRUE(store.books.work - before <= STEPS_MAX);
        before = store.books.work;
        CU_ASSERT_EQUAL(write_node(b, 0, "data/x", 10), XS_WRITE);
        CU_ASSERT_TRUE(store.books.work - before <= STEPS_MAX);
    }
    CU_ASSERT_TRUE(turns > WRITES * WATCHES / STEPS_MAX);
    CU_ASSERT_FALSE(a->broken);
    printf("storm: %llu steps to commit, then %u turns of %u\n", (unsigned long long)commit, turns,
           XENSTORE_TURN);
    teardown();
}

/* Who does not read is broken, and then costs nothing. */
static void broken_is_free(void)
{
    setup();
    struct xenstore_connection *a = guest(1), *b = guest(2);
    char text[64];
    for (unsigned int i = 0; i < WATCHES; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "/local/domain/2/data%ct%u", 0, i) + 1;
        CU_ASSERT_EQUAL(ask_tx(a, XS_WATCH, 0, text, length), XS_WATCH);
    }
    (void)transaction(a);
    for (unsigned int i = 0; i < 900 && !a->broken; i++) {
        snprintf(text, sizeof(text), "data/n%u", i);
        CU_ASSERT_EQUAL(write_node(b, 0, text, 0), XS_WRITE);
        settle();
    }
    CU_ASSERT_TRUE(a->broken);
    CU_ASSERT_EQUAL(a->watch_count, 0);
    CU_ASSERT_EQUAL(a->memory, 0);
    CU_ASSERT_EQUAL(a->output_size, 0);
    uint64_t before = store.books.work;
    CU_ASSERT_EQUAL(write_node(b, 0, "data/n0", 1), XS_WRITE);
    CU_ASSERT_TRUE(store.books.work - before < 64);
    teardown();
}

/* Removing much: at once gone for all, then counted and told in turns; watches may go meanwhile. */
static void large_removal(void)
{
    enum { GUESTS = 4 };
    setup();
    struct xenstore_connection *a[GUESTS];
    char text[64];
    for (uint16_t g = 0; g < GUESTS; g++) {
        a[g] = guest((uint16_t)(g + 1));
    }
    struct xenstore_perm open = {0, XENSTORE_READ | XENSTORE_WRITE};
    CU_ASSERT_EQUAL(xenstore_node_make(root, NULL, "/shared"), 0);
    CU_ASSERT_EQUAL(xenstore_node_set_perms(root, NULL, "/shared", &open, 1), 0);
    for (unsigned int i = 0; i < 900 * GUESTS; i++) {
        snprintf(text, sizeof(text), "/shared/n%u", i);
        CU_ASSERT_EQUAL_FATAL(write_node(a[i % GUESTS], 0, text, 0), XS_WRITE);
    }
    for (unsigned int i = 0; i < WATCHES; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "/shared/n%u%ct", 3 * i, 0) + 1;
        CU_ASSERT_EQUAL(ask_tx(a[1], XS_WATCH, 0, text, length), XS_WATCH);
    }
    events_drop(a[1]);
    uint64_t before = store.books.work;
    CU_ASSERT_EQUAL(ASK(root, XS_RM, "/shared"), XS_RM);
    CU_ASSERT_TRUE(store.books.work - before <= STEPS_MAX);
    CU_ASSERT_PTR_NULL(xenstore_tree_find(&store.tree, "/shared/n5"));
    for (bool more = true; more;) {
        before = store.books.work;
        more = xenstore_work(&store);
        CU_ASSERT_TRUE(store.books.work - before <= STEPS_MAX);
        if (a[1]->event_count > 60) {
            xenstore_watch_reset(a[1]);
        }
    }
    CU_ASSERT_TRUE(a[1]->event_count > 60 && a[1]->event_count < WATCHES);
    CU_ASSERT_EQUAL(xenstore_domain_find(&store, 2, false)->nodes, 1);
    teardown();
}

/* A change that is being told goes on to be told when its maker has gone. */
static void maker_goes(void)
{
    setup();
    struct xenstore_connection *a = guest(1), *b = guest(2);
    char text[64];
    CU_ASSERT_EQUAL(ASK(b, XS_WATCH, "/local/domain/1/data\0t"), XS_WATCH);
    events_drop(b);
    uint32_t tx = transaction(a);
    for (unsigned int i = 0; i < 600; i++) {
        snprintf(text, sizeof(text), "data/n%u", i);
        CU_ASSERT_EQUAL_FATAL(write_node(a, tx, text, 0), XS_WRITE);
    }
    CU_ASSERT_EQUAL(end(a, tx), XS_TRANSACTION_END);
    CU_ASSERT_TRUE(xenstore_busy(a));
    xenstore_disconnect(a);
    settle();
    CU_ASSERT_EQUAL(b->event_count, 600);
    teardown();
}

/* --- dead domains ------------------------------------------------------------------------------------ */
static void rights_end(void)
{
    setup();
    struct xenstore_connection *a = guest(1), *b = guest(2);
    CU_ASSERT_EQUAL(ASK(a, XS_WRITE, "data/secret\0s"), XS_WRITE);
    CU_ASSERT_EQUAL(ASK(a, XS_SET_PERMS, "data/secret\0n1\0r2"), XS_SET_PERMS);
    CU_ASSERT_EQUAL(ASK(b, XS_READ, "/local/domain/1/data/secret"), XS_READ);
    CU_ASSERT_EQUAL(ASK(a, XS_WRITE, "data/late\0s"), XS_WRITE);
    CU_ASSERT_EQUAL(ASK(root, XS_SET_TARGET, "1\0002"), XS_SET_TARGET);
    CU_ASSERT_EQUAL(ASK(root, XS_SET_PERMS, "@releaseDomain\0n0\0r2"), XS_SET_PERMS);
    uint32_t tx = transaction(a); /* gives the right after the death */
    CU_ASSERT_EQUAL(ask_tx(a, XS_SET_PERMS, tx, "data/late\0n1\0r2", 16), XS_SET_PERMS);
    xenstore_disconnect(b);
    xenstore_domain_release(&store, 2, true);
    settle();
    CU_ASSERT_EQUAL(end(a, tx), XS_ERROR);
    CU_ASSERT_STRING_EQUAL(word, "EAGAIN");
    CU_ASSERT_EQUAL(a->target, 1);
    CU_ASSERT_EQUAL(store.special[1][1].domid, 0);
    /* Nobody of that number: a right cannot be left for whoever comes. */
    CU_ASSERT_EQUAL(ASK(a, XS_SET_PERMS, "data/late\0n1\0r2"), XS_SET_PERMS);
    b = guest(2);
    CU_ASSERT_EQUAL(ASK(b, XS_READ, "/local/domain/1/data/secret"), XS_ERROR);
    CU_ASSERT_STRING_EQUAL(word, "EACCES");
    CU_ASSERT_EQUAL(ASK(b, XS_READ, "/local/domain/1/data/late"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(a, XS_READ, "data/secret"), XS_READ);
    teardown();
}

/* A dead domain's nodes, wherever they stand: each step bounded, all of them linear. */
/* Whatever allocation fails while a dead domain's nodes are removed: in the end they are gone. */
static void purge_without_memory(void)
{
    bool failed = true;

    for (unsigned int n = 1; failed; n++) {
        setup();
        struct xenstore_connection *a = guest(1);
        struct xenstore_perm open =
                                 {
                                     0, XENSTORE_READ | XENSTORE_WRITE
        },
                             both[] = {open, {1, XENSTORE_READ}};
        char text[64];
        for (unsigned int i = 0; i < 3; i++) {
            snprintf(text, sizeof(text), "/s%u/dir", i);
            CU_ASSERT_EQUAL(xenstore_node_make(root, NULL, text), 0);
            CU_ASSERT_EQUAL(
                xenstore_node_set_perms(root, NULL, text, i == 1 ? both : &open, i == 1 ? 2 : 1),
                0);
            snprintf(text, sizeof(text), "/s%u/dir/mine", i);
            if (i != 1) {
                CU_ASSERT_EQUAL(write_node(a, 0, text, 10), XS_WRITE);
            }
            settle();
        }
        xenstore_disconnect(a);
        allocations = 0;
        fail_at = n;
        xenstore_domain_release(&store, 1, true);
        failed = allocations >= n;
        fail_at = 0;
        (void)xenstore_node_remove(root, NULL, "/s0"); /* what was about to go has gone otherwise */
        for (unsigned int turns = 0; xenstore_work(&store) && turns < 1000; turns++) {
        }
        CU_ASSERT_PTR_NULL(xenstore_domain_find(&store, 1, false));
        CU_ASSERT_PTR_NULL(xenstore_tree_find(&store.tree, "/s0/dir/mine"));
        CU_ASSERT_PTR_NULL(xenstore_tree_find(&store.tree, "/s2/dir/mine"));
        const struct xenstore_node *shared = xenstore_tree_find(&store.tree, "/s1/dir");
        CU_ASSERT_EQUAL(shared ? shared->perm_count : 0, 1);
        teardown();
    }
}

static void purge_is_linear(void)
{
    enum { NODES = 900 };
    setup();
    struct xenstore_connection *a = guest(1);
    struct xenstore_perm open = {0, XENSTORE_READ | XENSTORE_WRITE};
    char text[64];
    for (unsigned int i = 0; i < NODES; i++) {
        snprintf(text, sizeof(text), "/shared%u/dir", i);
        CU_ASSERT_EQUAL(xenstore_node_make(root, NULL, text), 0);
        CU_ASSERT_EQUAL(xenstore_node_set_perms(root, NULL, text, &open, 1), 0);
        snprintf(text, sizeof(text), "/shared%u/dir/mine", i);
        CU_ASSERT_EQUAL_FATAL(write_node(a, 0, text, 10), XS_WRITE);
        settle();
    }
    xenstore_disconnect(a);
    uint64_t start = store.books.work, before = start;
    xenstore_domain_release(&store, 1, true);
    CU_ASSERT_TRUE(store.books.work - before <= STEPS_MAX);
    for (bool more = true; more;) {
        before = store.books.work;
        more = xenstore_work(&store);
        CU_ASSERT_TRUE(store.books.work - before <= STEPS_MAX);
    }
    CU_ASSERT_PTR_NULL(xenstore_domain_find(&store, 1, false));
    CU_ASSERT_PTR_NULL(xenstore_tree_find(&store.tree, "/shared7/dir/mine"));
    CU_ASSERT_TRUE(store.books.work - start < NODES * 64);
    printf("purge: %llu steps for %d nodes\n", (unsigned long long)(store.books.work - start),
           NODES);
    teardown();
}

static const struct report_case cases[] = {
    REPORT_CASE(storm),           REPORT_CASE(purge_without_memory), REPORT_CASE(broken_is_free),
    REPORT_CASE(large_removal),   REPORT_CASE(maker_goes),           REPORT_CASE(rights_end),
    REPORT_CASE(purge_is_linear),
};

int main(void)
{
    return report_run("xenstore_bounds", cases, sizeof(cases) / sizeof(cases[0]));
}
