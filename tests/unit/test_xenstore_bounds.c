// SPDX-License-Identifier: MIT
/*
 * The store's bounds: work before others have their turn, memory counted against memory held, quotas at the
 * end of transactions, requests for which dom0 has no memory, and what a dead domain leaves.
 */
#include <CUnit/CUnit.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"
#include "tests/report.h"

/* More than this no request does, nor a turn of what it leaves: a walk down a path, twice a turn. */
#define STEPS_MAX (4 * XENSTORE_TURN)
#define WRITES 884U
#define WATCHES 127U

/* --- an allocator that counts, and fails on demand ---------------------------------------------- */
static size_t held;
static unsigned int allocations, fail_at; /* 0: never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);

static bool fails(void)
{
    return ++allocations == fail_at;
}

/* What newlib's allocator takes: a head of 8 bytes, sizes of 16. */
static size_t block_size(void *block)
{
    size_t size = block ? (malloc_usable_size(block) + 8 + 15) & ~(size_t)15 : 0;
    return block && size < 32 ? 32 : size;
}

static void *enter(void *block)
{
    held += block_size(block);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : enter(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : enter(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    size_t before = block_size(old);
    void *grown = fails() ? NULL : __real_realloc(old, size);

    if (grown) {
        held -= before;
        enter(grown);
    }
    return grown;
}

void __wrap_free(void *block)
{
    held -= block_size(block);
    __real_free(block);
}

/* --- a store and its clients ---------------------------------------------------------------------- */
static struct xenstore store;
static struct xenstore_connection *root;
static size_t held_before;
static char word[32]; /* type of the last answer's text */

static uint32_t ask_tx(struct xenstore_connection *c, uint32_t type, uint32_t tx,
                       const void *payload, size_t length)
{
    struct xsd_sockmsg header = {.type = type, .tx_id = tx, .len = (uint32_t)length};
    struct xenstore_message *reply;
    uint32_t answer = XS_INVALID;

    word[0] = '\0';
    if (xenstore_request(c, &header, payload)) {
        strcpy(word, "NOTHING");
        return XS_INVALID;
    }
    reply = xenstore_reply_take(c);
    if (reply) {
        answer = reply->header.type;
        snprintf(word, sizeof(word), "%.*s", (int)reply->header.len, reply->payload);
    }
    free(reply);
    return answer;
}

#define ASK(c, type, text) ask_tx(c, type, 0, text, sizeof(text))

static uint32_t transaction(struct xenstore_connection *c)
{
    CU_ASSERT_EQUAL_FATAL(ASK(c, XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
    return (uint32_t)strtoul(word, NULL, 10);
}

static uint32_t end(struct xenstore_connection *c, uint32_t tx)
{
    return ask_tx(c, XS_TRANSACTION_END, tx, "T", 2);
}

static uint32_t write_node(struct xenstore_connection *c, uint32_t tx, const char *path,
                           size_t length)
{
    static char payload[XENSTORE_PAYLOAD_MAX];
    size_t used = (size_t)snprintf(payload, sizeof(payload), "%s", path) + 1;

    memset(payload + used, 'v', length);
    return ask_tx(c, XS_WRITE, tx, payload, used + length);
}

static void settle(void)
{
    while (xenstore_work(&store)) {
    }
}

static struct xenstore_connection *guest(uint16_t domid)
{
    struct xenstore_perm perms = {domid, XENSTORE_READ};
    struct xenstore_connection *c = xenstore_connect(&store, domid);
    char path[64];

    CU_ASSERT_EQUAL(xenstore_domain_introduce(&store, domid), 0);
    snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
    CU_ASSERT_EQUAL(xenstore_node_make(root, NULL, path), 0);
    CU_ASSERT_EQUAL(xenstore_node_set_perms(root, NULL, path, &perms, 1), 0);
    settle();
    return c;
}

static void setup(void)
{
    held_before = held;
    CU_ASSERT_EQUAL_FATAL(xenstore_init(&store), 0);
    root = xenstore_connect(&store, 0);
}

static void teardown(void)
{
    xenstore_destroy(&store);
    CU_ASSERT_EQUAL(held, held_before);
}

static void events_drop(struct xenstore_connection *c)
{
    struct xenstore_message *event;

    while ((event = xenstore_event_take(c)) != NULL) {
        free(event);
    }
}

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

/* Two deep paths in turns, in one transaction: it takes so many changes as its end can make at once. */
static void deep_commit(void)
{
    setup();
    struct xenstore_connection *a = guest(1);
    char text[2][256] = {"data/a", "data/b"};
    for (unsigned int i = 0; i < 2; i++) {
        for (size_t depth = 5; depth < XENSTORE_DEPTH_MAX - 1; depth++) {
            strcat(text[i], "/x");
        }
        CU_ASSERT_EQUAL(write_node(a, 0, text[i], 0), XS_WRITE);
        settle();
    }
    uint32_t tx = transaction(a);
    unsigned int writes = 0;
    while (write_node(a, tx, text[writes & 1], 1) == XS_WRITE) {
        writes++;
    }
    CU_ASSERT_TRUE(writes > 100 && writes < XENSTORE_TRANSACTION_CHANGES_MAX);
    uint64_t before = store.books.work;
    CU_ASSERT_EQUAL(end(a, tx), XS_TRANSACTION_END);
    printf("deep: %u writes, %llu steps to commit\n", writes,
           (unsigned long long)(store.books.work - before));
    CU_ASSERT_TRUE(store.books.work - before <= 4 * XENSTORE_TRANSACTION_LEVELS_MAX);
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
    REPORT_CASE(storm),
    REPORT_CASE(deep_commit),
    REPORT_CASE(purge_without_memory),
    REPORT_CASE(broken_is_free),
    REPORT_CASE(large_removal),
    REPORT_CASE(maker_goes),
    REPORT_CASE(accounting),
    REPORT_CASE(quota_at_commit),
    REPORT_CASE(hostile_memory),
    REPORT_CASE(no_memory),
    REPORT_CASE(no_memory_to_start),
    REPORT_CASE(rights_end),
    REPORT_CASE(purge_is_linear),
};

int main(void)
{
    return report_run("xenstore_bounds", cases, sizeof(cases) / sizeof(cases[0]));
}
