// SPDX-License-Identifier: MIT
#include "tests/unit/store_fixture.h"

#include <CUnit/CUnit.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- an allocator that counts, and fails on demand ---------------------------------------------- */
size_t held;
unsigned int allocations, fail_at, frees;

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
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
    frees += block != NULL;
    held -= block_size(block);
    __real_free(block);
}

/* --- a store and its clients ---------------------------------------------------------------------- */
struct xenstore store;
struct xenstore_connection *root;
size_t held_before;
char word[32]; /* type of the last answer's text */

uint32_t ask_tx(struct xenstore_connection *c, uint32_t type, uint32_t tx, const void *payload,
                size_t length)
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

uint32_t transaction(struct xenstore_connection *c)
{
    CU_ASSERT_EQUAL_FATAL(ask_tx(c, XS_TRANSACTION_START, 0, "", 1), XS_TRANSACTION_START);
    return (uint32_t)strtoul(word, NULL, 10);
}

uint32_t end(struct xenstore_connection *c, uint32_t tx)
{
    return ask_tx(c, XS_TRANSACTION_END, tx, "T", 2);
}

uint32_t write_node(struct xenstore_connection *c, uint32_t tx, const char *path, size_t length)
{
    static char payload[XENSTORE_PAYLOAD_MAX];
    size_t used = (size_t)snprintf(payload, sizeof(payload), "%s", path) + 1;

    memset(payload + used, 'v', length);
    return ask_tx(c, XS_WRITE, tx, payload, used + length);
}

void settle(void)
{
    while (xenstore_work(&store)) {
    }
}

struct xenstore_connection *guest(uint16_t domid)
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

void setup(void)
{
    held_before = held;
    CU_ASSERT_EQUAL_FATAL(xenstore_init(&store), 0);
    root = xenstore_connect(&store, 0);
}

void teardown(void)
{
    xenstore_destroy(&store);
    CU_ASSERT_EQUAL(held, held_before);
}

void events_drop(struct xenstore_connection *c)
{
    struct xenstore_message *event;

    while ((event = xenstore_event_take(c)) != NULL) {
        free(event);
    }
}
