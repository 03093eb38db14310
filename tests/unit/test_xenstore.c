// SPDX-License-Identifier: MIT
/* xenstored and libxenstore: tree, permissions, watches, transactions, quotas, wire, hostile rings. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "dom0/xenstore.h"
#include "dom0/xenstore_local.h"
#include "dom0/xenstore_ring.h"
#include "tests/report.h"

static struct xenstore store;

struct xs_transport *xs_transport_open(void)
{
    return xenstore_local_open(&store, NULL, NULL, NULL);
}

/* One request of a raw connection; the reply's payload is kept until the next call. */
static struct xenstore_message *last;
static uint32_t ask_tx(struct xenstore_connection *c, uint32_t type, uint32_t tx,
                       const void *payload, size_t length)
{
    struct xsd_sockmsg header = {.type = type, .req_id = 7, .tx_id = tx, .len = (uint32_t)length};
    free(last);
    xenstore_request(c, &header, payload);
    do {
        last = xenstore_output_take(c);
    } while (last && last->header.type == XS_WATCH_EVENT && type != XS_WATCH_EVENT &&
             (free(last), true));
    return last ? last->header.type : XS_INVALID;
}

#define ASK(c, type, text) ask_tx(c, type, 0, text, sizeof(text))
#define IS_ERROR(word) (last->header.type == XS_ERROR && strcmp(last->payload, word) == 0)

/* The next event is path, token. */
static bool event_is(struct xenstore_connection *c, const char *path, const char *token)
{
    struct xenstore_message *m = xenstore_output_take(c);
    bool is = m && m->header.type == XS_WATCH_EVENT && strcmp(m->payload, path) == 0 &&
              strcmp(m->payload + strlen(path) + 1, token) == 0;
    if (m && !is) {
        printf("event %s\n", m->payload);
    }
    free(m);
    return is;
}

static void setup(void)
{
    CU_ASSERT_EQUAL(xenstore_init(&store), 0);
}

/* What requests have left over is done. */
static void settle(void)
{
    while (xenstore_work(&store)) {
    }
}

static void teardown(void)
{
    free(last);
    last = NULL;
    xenstore_destroy(&store);
}

static void tree_read_write(void)
{
    setup();
    struct xs_handle *h = xs_open(0);
    unsigned int n;
    CU_ASSERT_TRUE(xs_write(h, 0, "/a/b/c", "hello", 5));
    char *value = xs_read(h, 0, "/a/b/c", &n);
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT_STRING_EQUAL(value, "hello");
    free(value);
    value = xs_read(h, 0, "/a/b", &n);
    CU_ASSERT_EQUAL(n, 0);
    free(value);
    CU_ASSERT_PTR_NULL(xs_read(h, 0, "/a/x", &n));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/a/b/c")); /* keeps the value */
    value = xs_read(h, 0, "/a/b/c", &n);
    CU_ASSERT_EQUAL(n, 5);
    free(value);
    CU_ASSERT_TRUE(xs_write(h, 0, "/a/z", "", 0));
    CU_ASSERT_TRUE(xs_write(h, 0, "/a/aa", "", 0));
    char **names = xs_directory(h, 0, "/a", &n);
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_STRING_EQUAL(names[0], "aa");
    CU_ASSERT_STRING_EQUAL(names[1], "b");
    CU_ASSERT_STRING_EQUAL(names[2], "z");
    free(names);
    CU_ASSERT_TRUE(xs_rm(h, 0, "/a/b"));
    CU_ASSERT_PTR_NULL(xs_read(h, 0, "/a/b/c", &n));
    CU_ASSERT_TRUE(xs_rm(h, 0, "/a/b"));
    CU_ASSERT_FALSE(xs_rm(h, 0, "/no/where"));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_FALSE(xs_rm(h, 0, "/"));
    CU_ASSERT_EQUAL(errno, EINVAL);
    value = xs_get_domain_path(h, 12);
    CU_ASSERT_STRING_EQUAL(value, "/local/domain/12");
    free(value);
    xs_close(h);
    teardown();
}

static void paths_invalid(void)
{
    setup();
    struct xs_handle *h = xs_open(0);
    static const char *const bad[] = {"", "/a//b", "/a/", "/a b", "/a.b", "/\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(xs_mkdir(h, 0, bad[i]));
        CU_ASSERT_EQUAL(errno, EINVAL);
    }
    char deep[2 * 70 + 1];
    for (unsigned int i = 0; i < 70; i++) {
        memcpy(deep + 2 * i, "/x", 3);
    }
    CU_ASSERT_FALSE(xs_mkdir(h, 0, deep));
    CU_ASSERT_EQUAL(errno, ENOSPC);
    char *longest = malloc(XENSTORE_ABS_PATH_MAX + 3);
    memset(longest, 'a', XENSTORE_ABS_PATH_MAX + 2);
    longest[0] = '/';
    longest[XENSTORE_ABS_PATH_MAX + 2] = '\0';
    CU_ASSERT_FALSE(xs_mkdir(h, 0, longest));
    CU_ASSERT_EQUAL(errno, EINVAL);
    longest[XENSTORE_ABS_PATH_MAX] = '\0';
    CU_ASSERT_TRUE(xs_mkdir(h, 0, longest));
    free(longest);
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "relative"));
    unsigned int n;
    char *value = xs_read(h, 0, "/local/domain/0/relative", &n);
    CU_ASSERT_PTR_NOT_NULL(value);
    free(value);
    xs_close(h);
    teardown();
}

static void directory_long(void)
{
    setup();
    struct xs_handle *h = xs_open(0);
    char path[64];
    unsigned int n;
    for (unsigned int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), "/d/child-number-%04u", i);
        CU_ASSERT_TRUE(xs_write(h, 0, path, "", 0));
    }
    char **names = xs_directory(h, 0, "/d", &n);
    CU_ASSERT_EQUAL_FATAL(n, 1000);
    CU_ASSERT_STRING_EQUAL(names[999], "child-number-0999");
    free(names);
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/empty"));
    names = xs_directory(h, 0, "/empty", &n);
    CU_ASSERT_EQUAL(n, 0);
    free(names);
    struct xenstore_connection *c = xenstore_connect(&store, 0);
    CU_ASSERT_EQUAL(ASK(c, XS_DIRECTORY, "/d"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("E2BIG"));
    CU_ASSERT_EQUAL(ASK(c, XS_DIRECTORY_PART, "/empty\0000"), XS_DIRECTORY_PART);
    xs_close(h);
    teardown();
}

static void permissions(void)
{
    setup();
    struct xs_handle *h = xs_open(0);
    struct xenstore_connection *c = xenstore_connect(&store, 5);
    struct xs_permissions p[2] = {
        {0, XS_PERM_NONE},
        {5, XS_PERM_READ}
    };
    unsigned int n;
    CU_ASSERT_EQUAL(xenstore_domain_introduce(&store, 6), 0);
    CU_ASSERT_TRUE(xs_write(h, 0, "/local/domain/5/ro", "1", 1));
    CU_ASSERT_EQUAL(ASK(c, XS_READ, "ro"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EACCES"));
    CU_ASSERT_EQUAL(ASK(c, XS_READ, "absent"), XS_ERROR); /* may not learn that it is absent */
    CU_ASSERT_TRUE(IS_ERROR("EACCES"));
    CU_ASSERT_TRUE(xs_set_permissions(h, 0, "/local/domain/5/ro", p, 2));
    CU_ASSERT_EQUAL(ASK(c, XS_READ, "ro"), XS_READ);
    CU_ASSERT_EQUAL(last->header.len, 1);
    CU_ASSERT_EQUAL(ASK(c, XS_WRITE, "ro\0002"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EACCES"));
    CU_ASSERT_EQUAL(ASK(c, XS_RM, "ro"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_SET_PERMS, "ro\0b5"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EACCES"));
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/local/domain/5/data"));
    p[0].id = 5;
    CU_ASSERT_TRUE(xs_set_permissions(h, 0, "/local/domain/5/data", p, 1));
    CU_ASSERT_EQUAL(ASK(c, XS_WRITE, "data/x/y\0value"), XS_WRITE);
    CU_ASSERT_EQUAL(ASK(c, XS_GET_PERMS, "data/x"), XS_GET_PERMS);
    CU_ASSERT_STRING_EQUAL(last->payload, "n5");
    CU_ASSERT_EQUAL(ASK(c, XS_SET_PERMS, "data/x\0n6"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EPERM"));
    CU_ASSERT_EQUAL(ASK(c, XS_SET_PERMS, "data/x\0r5\0b6"), XS_SET_PERMS);
    struct xenstore_connection *other = xenstore_connect(&store, 6);
    CU_ASSERT_EQUAL(ASK(other, XS_WRITE, "/local/domain/5/data/x\0006"), XS_WRITE);
    CU_ASSERT_EQUAL(ASK(other, XS_READ, "/local/domain/5/data/x/y"), XS_ERROR);
    struct xs_permissions *got = xs_get_permissions(h, 0, "/local/domain/5/data/x", &n);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT_EQUAL(got[1].id, 6);
    CU_ASSERT_EQUAL(got[1].perms, XS_PERM_READ | XS_PERM_WRITE);
    free(got);
    CU_ASSERT_EQUAL(ASK(c, XS_SET_PERMS, "data/x\0q5"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_INTRODUCE, "5\0001\0001"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EACCES"));
    xs_close(h);
    teardown();
}

static void watches(void)
{
    setup();
    struct xenstore_connection *c = xenstore_connect(&store, 0), *w = xenstore_connect(&store, 0);
    struct xsd_sockmsg header = {.type = XS_WATCH, .len = sizeof("/a/b\0tok")};
    xenstore_request(w, &header, "/a/b\0tok");
    struct xenstore_message *m = xenstore_output_take(w);
    CU_ASSERT_EQUAL(m->header.type, XS_WATCH);
    free(m);
    CU_ASSERT_TRUE(event_is(w, "/a/b", "tok")); /* fires once at once */
    ASK(c, XS_WRITE, "/a/b/c\0001");
    ASK(c, XS_WRITE, "/a/b/c\0002"); /* merged */
    ASK(c, XS_WRITE, "/a/bc\0001");
    ASK(c, XS_WRITE, "/a\0001");
    CU_ASSERT_TRUE(event_is(w, "/a/b/c", "tok"));
    CU_ASSERT_PTR_NULL(w->events);
    ASK(c, XS_RM, "/a"); /* a watch below the removed node is told its own path */
    CU_ASSERT_TRUE(event_is(w, "/a/b", "tok"));
    CU_ASSERT_PTR_NULL(w->events);
    CU_ASSERT_EQUAL(ASK(w, XS_WATCH, "/a/b\0tok"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EEXIST"));
    CU_ASSERT_EQUAL(ASK(w, XS_UNWATCH, "/a/b\0other"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("ENOENT"));
    CU_ASSERT_EQUAL(ASK(w, XS_UNWATCH, "/a/b\0tok"), XS_UNWATCH);
    ASK(c, XS_WRITE, "/a/b/c\0001");
    CU_ASSERT_PTR_NULL(w->events);
    /* depth: 1 sees /e/x, not /e/x/y */
    CU_ASSERT_EQUAL(ASK(w, XS_WATCH, "/e\0t\0001"), XS_WATCH);
    CU_ASSERT_TRUE(event_is(w, "/e", "t"));
    ASK(c, XS_WRITE, "/e/x/y\0001");
    CU_ASSERT_PTR_NULL(w->events);
    ASK(c, XS_WRITE, "/e/x\0001");
    CU_ASSERT_TRUE(event_is(w, "/e/x", "t"));
    /* the root sees all */
    CU_ASSERT_EQUAL(ASK(w, XS_WATCH, "/\0root"), XS_WATCH);
    CU_ASSERT_TRUE(event_is(w, "/", "root"));
    ASK(c, XS_WRITE, "/q\0001");
    CU_ASSERT_TRUE(event_is(w, "/q", "root"));
    teardown();
}

static void watches_of_domains(void)
{
    setup();
    struct xs_handle *h = xs_open(0);
    struct xenstore_connection *g = xenstore_connect(&store, 3);
    struct xs_permissions p[2] = {
        {0, XS_PERM_NONE},
        {3, XS_PERM_READ}
    };
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/local/domain/3/control"));
    CU_ASSERT_TRUE(xs_set_permissions(h, 0, "/local/domain/3/control", p, 2));
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/secret"));
    CU_ASSERT_EQUAL(ASK(g, XS_WATCH, "control\0t"), XS_WATCH);
    CU_ASSERT_TRUE(event_is(g, "control", "t"));
    CU_ASSERT_EQUAL(ASK(g, XS_WATCH, "/secret\0s"), XS_WATCH);
    CU_ASSERT_TRUE(event_is(g, "/secret", "s"));
    CU_ASSERT_TRUE(xs_write(h, 0, "/local/domain/3/control/shutdown", "poweroff", 8));
    CU_ASSERT_TRUE(event_is(g, "control/shutdown", "t"));
    CU_ASSERT_TRUE(xs_write(h, 0, "/secret/x", "1", 1));
    CU_ASSERT_PTR_NULL(g->events);
    CU_ASSERT_EQUAL(ASK(g, XS_WATCH, "@releaseDomain\0r"), XS_WATCH);
    CU_ASSERT_TRUE(event_is(g, "@releaseDomain", "r"));
    CU_ASSERT_TRUE(xs_watch(h, "@releaseDomain", "r0"));
    CU_ASSERT_TRUE(xs_watch(h, "@introduceDomain", "i0"));
    char **event;
    for (int i = 0; i < 2; i++) {
        event = xs_check_watch(h);
        free(event);
    }
    CU_ASSERT_EQUAL(xenstore_domain_introduce(&store, 9), 0);
    CU_ASSERT_TRUE(xs_is_domain_introduced(h, 9));
    event = xs_check_watch(h);
    CU_ASSERT_STRING_EQUAL(event[XS_WATCH_PATH], "@introduceDomain");
    CU_ASSERT_STRING_EQUAL(event[XS_WATCH_TOKEN], "i0");
    free(event);
    xenstore_domain_release(&store, 9, true);
    event = xs_check_watch(h);
    CU_ASSERT_STRING_EQUAL(event[XS_WATCH_PATH], "@releaseDomain");
    free(event);
    CU_ASSERT_PTR_NULL(xs_check_watch(h));
    CU_ASSERT_EQUAL(errno, EAGAIN);
    CU_ASSERT_PTR_NULL(g->events);
    CU_ASSERT_FALSE(xs_is_domain_introduced(h, 9));
    struct xenstore_connection *other = xenstore_connect(&store, 4);
    CU_ASSERT_EQUAL(ASK(other, XS_WATCH, "@releaseDomain\0r"), XS_WATCH);
    CU_ASSERT_TRUE(event_is(other, "@releaseDomain", "r"));
    struct xenstore_connection *root = xenstore_connect(&store, 0);
    CU_ASSERT_EQUAL(ASK(root, XS_SET_PERMS, "@releaseDomain\0n0\0r3"), XS_SET_PERMS);
    CU_ASSERT_EQUAL(ASK(other, XS_SET_PERMS, "@releaseDomain\0n0\0r4"), XS_ERROR);
    xenstore_domain_release(&store, 9, true);
    CU_ASSERT_TRUE(event_is(g, "@releaseDomain", "r"));
    CU_ASSERT_PTR_NULL(other->events);
    CU_ASSERT_EQUAL(ASK(g, XS_RESET_WATCHES, ""), XS_RESET_WATCHES);
    CU_ASSERT_EQUAL(g->watch_count, 0);
    xs_close(h);
    teardown();
}

static void transactions(void)
{
    setup();
    struct xs_handle *a = xs_open(0), *b = xs_open(0);
    unsigned int n;
    CU_ASSERT_TRUE(xs_write(a, 0, "/x/v", "1", 1));
    xs_transaction_t t = xs_transaction_start(a);
    CU_ASSERT_TRUE(xs_write(a, t, "/x/v", "2", 1));
    CU_ASSERT_TRUE(xs_write(a, t, "/x/new/deep", "3", 1));
    char *value = xs_read(b, 0, "/x/v", &n);
    CU_ASSERT_STRING_EQUAL(value, "1"); /* not seen outside */
    free(value);
    CU_ASSERT_TRUE(xs_write(b, 0, "/other", "1", 1)); /* no conflict */
    CU_ASSERT_TRUE(xs_watch(b, "/x", "t"));
    free(xs_check_watch(b));
    CU_ASSERT_TRUE(xs_transaction_end(a, t, false));
    value = xs_read(b, 0, "/x/new/deep", &n);
    CU_ASSERT_STRING_EQUAL(value, "3");
    free(value);
    char **event = xs_check_watch(b);
    CU_ASSERT_STRING_EQUAL(event[0], "/x/v");
    free(event);
    event = xs_check_watch(b);
    CU_ASSERT_STRING_EQUAL(event[0], "/x/new/deep");
    free(event);

    t = xs_transaction_start(a); /* a read that became stale */
    free(xs_read(a, t, "/x/v", &n));
    CU_ASSERT_TRUE(xs_write(a, t, "/result", "1", 1));
    CU_ASSERT_TRUE(xs_write(b, 0, "/x/v", "9", 1));
    CU_ASSERT_FALSE(xs_transaction_end(a, t, false));
    CU_ASSERT_EQUAL(errno, EAGAIN);
    CU_ASSERT_PTR_NULL(xs_read(b, 0, "/result", &n));

    t = xs_transaction_start(a); /* absence is a fact too */
    CU_ASSERT_PTR_NULL(xs_read(a, t, "/lock", &n));
    CU_ASSERT_TRUE(xs_write(b, 0, "/lock", "b", 1));
    CU_ASSERT_TRUE(xs_write(a, t, "/lock", "a", 1));
    CU_ASSERT_FALSE(xs_transaction_end(a, t, false));
    CU_ASSERT_EQUAL(errno, EAGAIN);

    t = xs_transaction_start(a); /* removal of a subtree that changed below */
    CU_ASSERT_TRUE(xs_rm(a, t, "/x"));
    CU_ASSERT_TRUE(xs_write(b, 0, "/x/new/deep", "5", 1));
    CU_ASSERT_FALSE(xs_transaction_end(a, t, false));

    t = xs_transaction_start(a);
    CU_ASSERT_TRUE(xs_rm(a, t, "/x"));
    CU_ASSERT_PTR_NULL(xs_read(a, t, "/x/v", &n));
    CU_ASSERT_TRUE(xs_transaction_end(a, t, true)); /* dropped */
    value = xs_read(a, 0, "/x/v", &n);
    CU_ASSERT_PTR_NOT_NULL(value);
    free(value);
    CU_ASSERT_FALSE(xs_write(a, 77, "/x", "", 0));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_FALSE(xs_transaction_end(a, 77, false));
    xs_close(a);
    xs_close(b);
    teardown();
}

static void quotas(void)
{
    setup();
    struct xs_handle *h = xs_open(0);
    struct xenstore_connection *c = xenstore_connect(&store, 5);
    struct xs_permissions p = {5, XS_PERM_NONE};
    char text[XENSTORE_NODE_SIZE_MAX + 64] = "data/big";
    int made = 0;
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/local/domain/5/data"));
    CU_ASSERT_TRUE(xs_set_permissions(h, 0, "/local/domain/5/data", &p, 1));
    CU_ASSERT_EQUAL(ask_tx(c, XS_WRITE, 0, text, 9 + XENSTORE_NODE_SIZE_MAX), XS_WRITE);
    CU_ASSERT_EQUAL(ask_tx(c, XS_WRITE, 0, text, 10 + XENSTORE_NODE_SIZE_MAX), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("ENOSPC"));
    for (unsigned int i = 0; i < 1100; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "data/n%u", i) + 1;
        made += ask_tx(c, XS_WRITE, 0, text, length) == XS_WRITE;
    }
    CU_ASSERT_EQUAL(made, (int)XENSTORE_NODES_MAX - 2); /* data, data/big */
    CU_ASSERT_TRUE(IS_ERROR("ENOSPC"));
    CU_ASSERT_EQUAL(ASK(c, XS_RM, "data/n0"), XS_RM);
    CU_ASSERT_EQUAL(ASK(c, XS_WRITE, "data/again\0"), XS_WRITE);
    CU_ASSERT_EQUAL(ASK(c, XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
    CU_ASSERT_EQUAL(ask_tx(c, XS_WRITE, 1, "data/one-more", 15), XS_ERROR);
    unsigned int kept = 0; /* a transaction remembers so much and no more */
    memset(text, 0, sizeof(text));
    strcpy(text, "data/big");
    while (kept < 1000 && ask_tx(c, XS_WRITE, 1, text, 9 + XENSTORE_NODE_SIZE_MAX) == XS_WRITE) {
        kept++;
    }
    CU_ASSERT_TRUE(IS_ERROR("ENOSPC"));
    CU_ASSERT_TRUE(kept > 64 && kept < 128);
    for (unsigned int i = 1; i < XENSTORE_TRANSACTIONS_MAX; i++) {
        CU_ASSERT_EQUAL(ASK(c, XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
    }
    CU_ASSERT_EQUAL(ASK(c, XS_TRANSACTION_START, ""), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("ENOSPC"));
    for (unsigned int i = 0; i < XENSTORE_WATCHES_MAX; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "data%ctoken%u", 0, i) + 1;
        CU_ASSERT_EQUAL(ask_tx(c, XS_WATCH, 0, text, length), XS_WATCH);
    }
    CU_ASSERT_EQUAL(ASK(c, XS_WATCH, "data\0more"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("E2BIG"));
    xenstore_disconnect(c);
    xenstore_domain_release(&store, 5, true);
    settle();
    CU_ASSERT_PTR_NULL(xs_read(h, 0, "/local/domain/5/data", NULL));
    CU_ASSERT_PTR_NULL(xenstore_domain_find(&store, 5, false));
    xs_close(h);
    teardown();
}

/* Values, watches and open transactions share one limit, and all of it comes back. */
static void memory_quota(void)
{
    enum { NODES = 400, LENGTH = 2000 };
    setup();
    struct xs_handle *h = xs_open(0);
    struct xenstore_connection *c = xenstore_connect(&store, 5);
    struct xs_permissions p = {5, XS_PERM_NONE};
    static char text[LENGTH + 64];
    int made = 0;
    CU_ASSERT_TRUE(xs_mkdir(h, 0, "/local/domain/5/data"));
    CU_ASSERT_TRUE(xs_set_permissions(h, 0, "/local/domain/5/data", &p, 1));
    for (unsigned int i = 0; i < NODES; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "data/n%u", i) + 1;
        CU_ASSERT_EQUAL_FATAL(ask_tx(c, XS_WRITE, 0, text, length + LENGTH), XS_WRITE);
    }
    for (unsigned int i = NODES; i < XENSTORE_NODES_MAX; i++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "data/n%u", i) + 1;
        made += ask_tx(c, XS_WRITE, 0, text, length + LENGTH) == XS_WRITE;
    }
    CU_ASSERT_TRUE(IS_ERROR("ENOMEM"));
    CU_ASSERT_TRUE(made > 400 && made < 600);
    p.id = 6;
    /* One goes to another domain. */
    size_t bytes = xenstore_domain_memory(c);
    CU_ASSERT_TRUE(xs_set_permissions(h, 0, "/local/domain/5/data/n1", &p, 1));
    CU_ASSERT_TRUE(xenstore_domain_memory(c) < bytes - LENGTH);
    CU_ASSERT_TRUE(xs_rm(h, 0, "/local/domain/5/data"));
    settle();
    CU_ASSERT_EQUAL(xenstore_domain_memory(c), 0);
    xs_close(h);
    teardown();
}

static void wire_nonsense(void)
{
    setup();
    struct xenstore_connection *c = xenstore_connect(&store, 0);
    CU_ASSERT_EQUAL(ask_tx(c, XS_READ, 0, "", 0), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EINVAL"));
    CU_ASSERT_EQUAL(ask_tx(c, XS_READ, 0, "/", 1), XS_ERROR); /* not terminated */
    CU_ASSERT_EQUAL(last->header.req_id, 7);
    CU_ASSERT_EQUAL(ask_tx(c, XS_WRITE, 0, "/a", 2), XS_ERROR);
    CU_ASSERT_EQUAL(ask_tx(c, 9999, 0, "", 0), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("ENOSYS"));
    CU_ASSERT_EQUAL(ask_tx(c, XS_WATCH_EVENT, 0, "", 0), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_TRANSACTION_END, "X"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("EINVAL"));
    CU_ASSERT_EQUAL(ASK(c, XS_GET_DOMAIN_PATH, "12x"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_GET_DOMAIN_PATH, "99999"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_SET_PERMS, "/"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_WATCH, "/a"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_DIRECTORY_PART, "/\0-1"), XS_ERROR);
    CU_ASSERT_EQUAL(ASK(c, XS_INTRODUCE, "3\0001\0001"), XS_ERROR);
    CU_ASSERT_TRUE(IS_ERROR("ENOSYS"));
    teardown();
}

static void wire_random(void)
{
    setup();
    struct xenstore_connection *c = xenstore_connect(&store, 4);
    static const char letters[] = "/ab0@ \0\0nrw";
    char payload[64];
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t length = (size_t)rand() % sizeof(payload);
        for (size_t j = 0; j < length; j++) {
            payload[j] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        }
        ask_tx(c, (uint32_t)rand() % (XS_TYPE_COUNT + 2), (uint32_t)rand() % 3, payload, length);
        CU_ASSERT_TRUE_FATAL(last != NULL || c->broken);
    }
    teardown();
}

static struct xenstore_domain_interface page;

static void page_put(const void *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        page.req[MASK_XENSTORE_IDX(page.req_prod++)] = ((const char *)data)[i];
    }
}

static void rings(void)
{
    setup();
    memset(&page, 0, sizeof(page));
    page.req_cons = page.req_prod = page.rsp_cons = page.rsp_prod = 0xfffffff8u; /* wraps */
    struct xenstore_connection *c = xenstore_connect(&store, 4);
    struct xenstore_ring *ring = calloc(1, sizeof(*ring));
    struct xsd_sockmsg header = {.type = XS_GET_DOMAIN_PATH, .req_id = 3, .len = 2};
    xenstore_ring_init(ring, &page, c);
    CU_ASSERT_FALSE(xenstore_ring_has_work(ring));
    page_put(&header, 10); /* in two pieces */
    CU_ASSERT_TRUE(xenstore_ring_serve(ring, 10));
    page_put((char *)&header + 10, sizeof(header) - 10);
    page_put("4", 2);
    CU_ASSERT_TRUE(xenstore_ring_has_work(ring));
    CU_ASSERT_TRUE(xenstore_ring_serve(ring, 10));
    CU_ASSERT_EQUAL(page.rsp_prod - page.rsp_cons, sizeof(header) + sizeof("/local/domain/4"));
    CU_ASSERT_EQUAL(page.rsp[MASK_XENSTORE_IDX(page.rsp_cons)], XS_GET_DOMAIN_PATH);
    CU_ASSERT_FALSE(xenstore_ring_serve(ring, 10));
    /* replies that are not read stop the input */
    for (int i = 0; i < 100; i++) {
        if (page.req_prod - page.req_cons + sizeof(header) + 2 <= XENSTORE_RING_SIZE) {
            page_put(&header, sizeof(header));
            page_put("4", 2);
        }
        xenstore_ring_serve(ring, 100);
    }
    CU_ASSERT_TRUE(c->output_size < 8192);
    CU_ASSERT_FALSE(c->broken);
    page.rsp_cons = page.rsp_prod;
    CU_ASSERT_TRUE(xenstore_ring_serve(ring, 100));
    xenstore_ring_end(ring);
    free(ring);
    teardown();
}

static void rings_hostile(void)
{
    setup();
    struct xenstore_ring *ring = calloc(1, sizeof(*ring));
    struct xsd_sockmsg header = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};
    struct xenstore_connection *c = xenstore_connect(&store, 4);
    memset(&page, 0, sizeof(page));
    xenstore_ring_init(ring, &page, c);
    page_put(&header, sizeof(header));
    CU_ASSERT_TRUE(xenstore_ring_serve(ring, 10));
    CU_ASSERT_TRUE(c->broken);
    CU_ASSERT_EQUAL(page.error, XENSTORE_ERROR_PROTO);
    CU_ASSERT_FALSE(xenstore_ring_has_work(ring));
    xenstore_disconnect(c);
    settle();

    c = xenstore_connect(&store, 4);
    memset(&page, 0, sizeof(page));
    xenstore_ring_init(ring, &page, c);
    page.req_prod = XENSTORE_RING_SIZE + 1;
    xenstore_ring_serve(ring, 10);
    CU_ASSERT_EQUAL(page.error, XENSTORE_ERROR_RINGIDX);
    xenstore_disconnect(c);

    c = xenstore_connect(&store, 4);
    memset(&page, 0, sizeof(page));
    xenstore_ring_init(ring, &page, c);
    page.rsp_cons = 1; /* ahead of the producer */
    header = (struct xsd_sockmsg){.type = XS_GET_DOMAIN_PATH, .len = 2};
    page_put(&header, sizeof(header));
    page_put("4", 2);
    xenstore_ring_serve(ring, 10);
    CU_ASSERT_EQUAL(page.error, XENSTORE_ERROR_RINGIDX);
    CU_ASSERT_FALSE(xenstore_ring_serve(ring, 0) && !c->broken);
    free(ring);
    teardown();
}

/* Random changes in the store against a flat list of paths. */
static void tree_random(void)
{
    static char value[4][4][4]; /* "" absent, else one letter; level by level */
    setup();
    struct xs_handle *h = xs_open(0);
    char path[32];
    unsigned int n;
    srand(7);
    memset(value, 0, sizeof(value));
    for (int i = 0; i < 5000; i++) {
        int a = rand() % 4, b = rand() % 4, c = rand() % 4;
        xs_transaction_t t = rand() % 3 == 0 ? xs_transaction_start(h) : 0;
        bool drop = t && rand() % 2;
        snprintf(path, sizeof(path), "/%d/%d/%d", a, b, c);
        if (rand() % 4) {
            char letter = (char)('a' + rand() % 26);
            CU_ASSERT_TRUE_FATAL(xs_write(h, t, path, &letter, 1));
            if (!drop) {
                value[a][b][c] = letter;
            }
        } else {
            path[4] = '\0';
            bool exists = xs_rm(h, t, path);
            (void)exists;
            if (!drop) {
                memset(value[a][b], 0, sizeof(value[a][b]));
            }
        }
        if (t) {
            CU_ASSERT_TRUE_FATAL(xs_transaction_end(h, t, drop));
        }
        a = rand() % 4, b = rand() % 4, c = rand() % 4;
        snprintf(path, sizeof(path), "/%d/%d/%d", a, b, c);
        char *got = xs_read(h, 0, path, &n);
        CU_ASSERT_EQUAL_FATAL(got ? got[0] : 0, value[a][b][c]);
        free(got);
    }
    xs_close(h);
    teardown();
}

static const struct report_case cases[] = {
    REPORT_CASE(tree_read_write), REPORT_CASE(paths_invalid), REPORT_CASE(directory_long),
    REPORT_CASE(permissions),     REPORT_CASE(watches),       REPORT_CASE(watches_of_domains),
    REPORT_CASE(transactions),    REPORT_CASE(quotas),        REPORT_CASE(memory_quota),
    REPORT_CASE(wire_nonsense),   REPORT_CASE(wire_random),   REPORT_CASE(rings),
    REPORT_CASE(rings_hostile),   REPORT_CASE(tree_random),
};

int main(void)
{
    return report_run("xenstore", cases, sizeof(cases) / sizeof(cases[0]));
}
