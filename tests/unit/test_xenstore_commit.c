// SPDX-License-Identifier: MIT
/*
 * The end of transactions: what it costs at once, counted as the blocks of code that run, however the transaction is made;
 * and that the changes it makes are those that were asked for, whatever others have changed meanwhile.
 */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/report.h"
#include "tests/unit/store_fixture.h"

/* Most that may run before others have their turn. A block is some four instructions of the optimised code: this is
 * half of the 5 ms that a machine of 1,000 instructions in a microsecond may take. */
#define COST_MAX 600000U
#define ALLOCATOR_COST                                                                             \
    16U /* blocks, of a call of malloc() or free(), which are not counted otherwise */
#define WRITES 884U
#define WATCHES 127U
#define PATH_SIZE 3072U

/* --- cost ------------------------------------------------------------------------------------------- */
static uint64_t blocks; /* run since the start */

void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void)
{
    blocks++;
}

static uint64_t cost_now(void)
{
    return blocks + ALLOCATOR_COST * (uint64_t)(allocations + frees);
}

static uint64_t since, worst;

static void cost_start(void)
{
    since = cost_now();
}

static void cost_note(void)
{
    const uint64_t cost = cost_now() - since;
    worst = cost > worst ? cost : worst;
}

/* All turns of what is left over. */
static void turns_note(struct xenstore_connection *reader)
{
    for (bool more = true; more;) {
        cost_start();
        more = xenstore_work(&store);
        cost_note();
        if (reader) {
            events_drop(reader);
        }
    }
}

static void verdict(const char *name)
{
    CU_ASSERT_TRUE(worst <= COST_MAX);
    printf("%s: at most %llu blocks at once\n", name, (unsigned long long)worst);
    worst = 0;
}

static uint32_t ask_path(struct xenstore_connection *c, uint32_t type, uint32_t tx,
                         const char *path)
{
    return ask_tx(c, type, tx, path, strlen(path) + 1);
}

/* "data/PREFIX/x/x/...", so many levels. */
static void chain(char *path, const char *prefix, unsigned int levels)
{
    size_t at = (size_t)sprintf(path, "data/%s", prefix);

    while (levels-- > 0) {
        at += (size_t)sprintf(path + at, "/x");
    }
}

/* --- costs ------------------------------------------------------------------------------------------ */
/* Many changes in one folder and as many watches as there can be. */
static void flat(void)
{
    char text[64];

    for (unsigned int others = 0; others < 2; others++) {
        setup();
        struct xenstore_connection *a = guest(1), *b = guest(2);
        for (unsigned int i = 0; i < WATCHES; i++) {
            size_t length = (size_t)snprintf(text, sizeof(text), "data%ct%u", 0, i) + 1;
            CU_ASSERT_EQUAL(ask_tx(a, XS_WATCH, 0, text, length), XS_WATCH);
            events_drop(a);
        }
        uint32_t tx = transaction(a);
        for (unsigned int i = 0; i < WRITES; i++) {
            snprintf(text, sizeof(text), "data/n%u", i);
            CU_ASSERT_EQUAL_FATAL(write_node(a, tx, text, 0), XS_WRITE);
        }
        if (others) { /* the store is not as it was at the start */
            CU_ASSERT_EQUAL(write_node(b, 0, "data/x", 10), XS_WRITE);
        }
        cost_start();
        CU_ASSERT_EQUAL(end(a, tx), XS_TRANSACTION_END);
        cost_note();
        CU_ASSERT_PTR_NOT_NULL(xenstore_tree_find(&store.tree, "/local/domain/1/data/n883"));
        turns_note(a);
        CU_ASSERT_EQUAL(xenstore_domain_find(&store, 1, false)->nodes, WRITES + 1);
        verdict(others ? "flat, beside others" : "flat");
        teardown();
    }
}

/* Changes at the ends of two long paths in turn, with all that is above them changed meanwhile. */
static void deep(void)
{
    enum { LEVELS = 56, LEAVES = 400 };
    static char path[2][256];
    char text[PATH_SIZE + 16];

    setup();
    struct xenstore_connection *a = guest(1);
    chain(path[0], "l", LEVELS);
    chain(path[1], "r", LEVELS);
    for (unsigned int i = 0; i < 2 * LEAVES; i++) {
        sprintf(text, "%s/n%u", path[i % 2], i);
        CU_ASSERT_EQUAL_FATAL(write_node(a, 0, text, 0), XS_WRITE);
    }
    settle();
    uint32_t tx = transaction(a);
    unsigned int changes = 0;
    for (unsigned int i = 1;; i++) {
        sprintf(text, "%s/n%u", path[i % 2], i % (2 * LEAVES - 2));
        if (write_node(a, tx, text, 0) != XS_WRITE) {
            break;
        }
        changes++;
    }
    CU_ASSERT_STRING_EQUAL(word, "ENOSPC");
    CU_ASSERT_TRUE(changes > 500);
    for (unsigned int i = 0; i < 2; i++) {
        sprintf(text, "%s/n%u", path[i], 2 * LEAVES - 2 + i);
        CU_ASSERT_EQUAL(write_node(a, 0, text, 1), XS_WRITE);
    }
    settle();
    cost_start();
    CU_ASSERT_EQUAL(end(a, tx), XS_TRANSACTION_END);
    cost_note();
    turns_note(a);
    verdict("deep");
    teardown();
}

/* Paths that were only read, as many as can be remembered, and all of them to be compared in the end. */
static uint32_t reads(struct xenstore_connection *a, unsigned int levels)
{
    char text[PATH_SIZE + 16];
    unsigned int i = 0;

    if (ASK(a, XS_TRANSACTION_START, "") != XS_TRANSACTION_START) {
        return 0; /* all of its memory is in use */
    }
    const uint32_t tx = (uint32_t)strtoul(word, NULL, 10);
    chain(text, "d", levels);
    const size_t at = strlen(text);
    do {
        sprintf(text + at, "/n%u", i++);
        ask_path(a, XS_READ, tx, text);
    } while (strcmp(word, "ENOENT") == 0);
    return tx;
}

static void read_only(void)
{
    char text[PATH_SIZE + 16];

    for (unsigned int levels = 0; levels < 60; levels += 50) {
        setup();
        struct xenstore_connection *a = guest(1);
        chain(text, "d", levels);
        strcat(text, "/last");
        CU_ASSERT_EQUAL(write_node(a, 0, text, 0), XS_WRITE);
        uint32_t tx = reads(a, levels);
        CU_ASSERT_TRUE(a->memory > XENSTORE_TRANSACTION_SIZE_MAX * 9 / 10);
        CU_ASSERT_EQUAL(write_node(a, 0, text, 1), XS_WRITE);
        settle();
        cost_start();
        CU_ASSERT_EQUAL(end(a, tx), XS_TRANSACTION_END);
        cost_note();
        turns_note(a);
        teardown();
    }
    verdict("read_only");
}

/* Names as long as can be that differ at their ends only. */
static void long_names(void)
{
    enum { NODES = 700, LENGTH = 1900 };
    char text[PATH_SIZE];

    setup();
    struct xenstore_connection *a = guest(1);
    memset(text, 'n', sizeof(text));
    memcpy(text, "data/", 5);
    for (unsigned int i = 0; i < NODES; i++) {
        sprintf(text + LENGTH, "%05u", i);
        CU_ASSERT_EQUAL_FATAL(write_node(a, 0, text, 0), XS_WRITE);
        settle();
    }
    uint32_t tx = transaction(a);
    unsigned int changes = 0;
    for (uint32_t answer = XS_WRITE; answer == XS_WRITE; changes++) {
        sprintf(text + LENGTH, "%05u", 7 * changes % NODES);
        answer = write_node(a, tx, text, 0);
    }
    CU_ASSERT_TRUE(changes > 50);
    CU_ASSERT_EQUAL(write_node(a, 0, "data/z", 0), XS_WRITE);
    settle();
    cost_start();
    end(a, tx);
    cost_note();
    turns_note(a);
    verdict("long_names");
    teardown();
}

/* As much as a client can have open. */
static void fill(struct xenstore_connection *a, uint32_t tx[XENSTORE_TRANSACTIONS_MAX])
{
    char text[64];

    for (unsigned int t = 0; t < XENSTORE_TRANSACTIONS_MAX; t++) {
        tx[t] = 0;
        if (t > 0) {
            tx[t] = reads(a, 0);
            continue;
        }
        tx[t] = transaction(a);
        for (unsigned int i = 0; i < 400; i++) {
            snprintf(text, sizeof(text), "data/w%u", i);
            (void)write_node(a, tx[t], text, 0);
        }
    }
    CU_ASSERT_TRUE(a->memory + xenstore_domain_memory(a) > XENSTORE_MEMORY_MAX * 9 / 10);
}

static void dropped(void)
{
    uint32_t tx[XENSTORE_TRANSACTIONS_MAX];

    setup();
    struct xenstore_connection *a = guest(1);
    const size_t before = held;
    fill(a, tx);
    settle();
    cost_start();
    CU_ASSERT_EQUAL(ask_tx(a, XS_TRANSACTION_END, tx[0], "F", 2), XS_TRANSACTION_END);
    cost_note();
    turns_note(a);
    verdict("dropped");
    cost_start();
    CU_ASSERT_EQUAL(ASK(a, XS_RESET_WATCHES, ""), XS_RESET_WATCHES);
    cost_note();
    turns_note(a);
    CU_ASSERT_EQUAL(a->memory, 0);
    CU_ASSERT_TRUE(held < before + 4096);
    verdict("dropped together");
    teardown();
}

/* The death of a domain that has all that it can have, and changes that are not told yet. */
static void death(void)
{
    uint32_t tx[XENSTORE_TRANSACTIONS_MAX];
    char text[64];

    for (unsigned int broken = 0; broken < 2; broken++) {
        setup();
        struct xenstore_connection *a = guest(1);
        for (unsigned int i = 0; i < WATCHES; i++) {
            size_t length = (size_t)snprintf(text, sizeof(text), "data%ct%u", 0, i) + 1;
            CU_ASSERT_EQUAL(ask_tx(a, XS_WATCH, 0, text, length), XS_WATCH);
        }
        fill(a, tx);
        xenstore_transaction_end(a->transactions,
                                 false); /* some memory, to have changes that wait */
        CU_ASSERT_EQUAL(end(a, tx[0]), XS_TRANSACTION_END);
        CU_ASSERT_TRUE(xenstore_busy(a));
        cost_start();
        if (broken) {
            xenstore_break(a);
            xenstore_connections_shed(&store);
        } else {
            xenstore_disconnect(a);
            xenstore_domain_release(&store, 1, true);
        }
        cost_note();
        turns_note(NULL);
        teardown();
    }
    verdict("death");
}

/* Transactions that have lost their states. */
static void doomed(void)
{
    char text[64];

    setup();
    struct xenstore_connection *a[6];
    for (unsigned int g = 0; g < 6; g++) {
        a[g] = guest((uint16_t)(g + 1));
        reads(a[g], 0);
    }
    for (unsigned int round = 0; round < 12; round++) {
        for (unsigned int g = 0; g < 6; g++) {
            (void)ASK(a[g], XS_TRANSACTION_START, "");
            for (unsigned int i = 0; i < 300; i++) {
                snprintf(text, sizeof(text), "data/n%u", i);
                cost_start();
                (void)write_node(a[g], 0, text, 2000 - round);
                cost_note();
            }
            turns_note(NULL);
        }
    }
    CU_ASSERT_EQUAL(end(a[0], 1), XS_ERROR);
    CU_ASSERT_STRING_EQUAL(word, "EAGAIN");
    verdict("doomed");
    teardown();
}

/* --- results ---------------------------------------------------------------------------------------- */
/* The store as a list: below "data" names of one letter, four levels, each with a value of one letter or none. */
#define LETTERS 3U
#define DEPTH 4U
#define PLACES 121U /* 1 + 3 + 9 + 27 + 81 */
#define OPEN 3U
#define OPS 12U

struct op {
    unsigned int kind; /* 0: write, 1: mkdir, 2: remove, 3: read, 4: permissions */
    unsigned int place;
    char value;
};

struct draft {
    uint32_t tx;
    unsigned int count;
    struct op ops[OPS];
};

static char model[PLACES]; /* 0: no such node; '-': no value */

static unsigned int place_parent(unsigned int place)
{
    return (place - 1) / LETTERS;
}

static void place_path(unsigned int place, char *path)
{
    if (place == 0) {
        strcpy(path, "data");
        return;
    }
    place_path(place_parent(place), path);
    sprintf(path + strlen(path), "/%c", 'a' + (place - 1) % LETTERS);
}

static void model_make(unsigned int place, char value, bool keep)
{
    if (place > 0 && !model[place_parent(place)]) {
        model_make(place_parent(place), '-', true);
    }
    model[place] = keep && model[place] ? model[place] : value;
}

static void model_remove(unsigned int place)
{
    model[place] = 0;
    for (unsigned int i = 0; i < LETTERS && place * LETTERS + 1 + i < PLACES; i++) {
        model_remove(place * LETTERS + 1 + i);
    }
}

static void model_do(const struct op *op)
{
    if (op->kind < 2) {
        model_make(op->place, op->kind == 0 ? op->value : '-', op->kind == 1);
    } else if (op->kind == 2) {
        model_remove(op->place);
    }
}

static uint32_t op_ask(struct xenstore_connection *c, uint32_t tx, const struct op *op)
{
    static const uint32_t types[] = {XS_WRITE, XS_MKDIR, XS_RM, XS_READ, XS_SET_PERMS};
    char path[64];
    size_t length;

    place_path(op->place, path);
    length = strlen(path) + 1;
    if (op->kind == 0) {
        path[length++] = op->value;
    } else if (op->kind == 4) {
        length += (size_t)sprintf(path + length, "n1%cr2", 0) + 1;
    }
    return ask_tx(c, types[op->kind], tx, path, length);
}

static struct op op_random(void)
{
    struct op op = {(unsigned int)rand() % 5, (unsigned int)rand() % PLACES,
                    (char)('a' + rand() % 26)};
    if (op.kind == 2 && op.place < 4) {
        op.kind = 0; /* not too much at once */
    }
    op.place = op.place == 0 ? 1 : op.place;
    return op;
}

/* The store is what the model is, and the books count it. */
static bool model_holds(void)
{
    const struct xenstore_domain *domain = xenstore_domain_find(&store, 1, false);
    unsigned int nodes = 0;
    size_t bytes = 0;
    bool same = true;

    for (unsigned int place = 0; place < PLACES; place++) {
        char path[64] = "/local/domain/1/";
        place_path(place, path + strlen(path));
        const struct xenstore_node *node = xenstore_tree_find(&store.tree, path);
        char value = !node ? 0 : node->length == 0 ? '-' : (char)node->data[0];
        same &= value == model[place] && (!node || node->live);
        nodes += node != NULL;
        bytes += node ? xenstore_node_size(node) : 0;
    }
    return same && domain->nodes == nodes && domain->bytes == bytes;
}

/* Ends a transaction; true: its changes were made. */
static bool draft_finish(struct xenstore_connection *a, struct draft *draft)
{
    bool done = end(a, draft->tx) == XS_TRANSACTION_END;

    CU_ASSERT_TRUE(done || strcmp(word, "EAGAIN") == 0);
    for (unsigned int i = 0; i < draft->count && done; i++) {
        model_do(&draft->ops[i]);
    }
    draft->tx = 0;
    return done;
}

/* Transactions beside each other and beside single changes: each is made as a whole, in its order, or not. */
static void merged(void)
{
    enum { ROUNDS = 20000 };
    struct draft drafts[OPEN] = {0};
    unsigned int done = 0, conflicts = 0;

    setup();
    srand(1);
    memset(model, 0, sizeof(model));
    model[0] = '-';
    struct xenstore_connection *a = guest(1);
    guest(2);
    for (unsigned int round = 0; round < ROUNDS; round++) {
        struct op op = op_random();
        struct draft *draft = &drafts[(unsigned int)rand() % OPEN];
        if ((unsigned int)rand() % 8 == 0) {
            if (op_ask(a, 0, &op) != XS_ERROR) {
                model_do(&op);
            }
        } else if (!draft->tx) {
            *draft = (struct draft){.tx = transaction(a)};
        } else if (draft->count < OPS) {
            if (op_ask(a, draft->tx, &op) != XS_ERROR) {
                draft->ops[draft->count++] = op;
            }
        } else if (draft_finish(a, draft)) {
            done++;
        } else {
            conflicts++;
        }
        settle();
        if (!model_holds()) {
            CU_FAIL("the store is not what was asked for");
            printf("round %u\n", round);
            break;
        }
    }
    CU_ASSERT_TRUE(done > 100 && conflicts > 100);
    printf("merged: %u transactions made, %u conflicts\n", done, conflicts);
    xenstore_transaction_reset(a);
    settle();
    CU_ASSERT_EQUAL(store.books.held, store.live);
    teardown();
}

static const struct report_case cases[] = {
    REPORT_CASE(flat),    REPORT_CASE(deep),  REPORT_CASE(read_only), REPORT_CASE(long_names),
    REPORT_CASE(dropped), REPORT_CASE(death), REPORT_CASE(doomed),    REPORT_CASE(merged),
};

int main(void)
{
    return report_run("xenstore_commit", cases, sizeof(cases) / sizeof(cases[0]));
}
