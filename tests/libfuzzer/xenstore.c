// SPDX-License-Identifier: MIT
// xenstored: requests of three clients in one store, one of them through its ring. At the end the store's
// own books must be right, and nothing may be left behind.
//
// Input: records of a head and a payload. Head: client and flags, type, transaction, length.
#include "dom0/xenstore.h"
#include "dom0/xenstore_ring.h"
#include "tests/libfuzzer/harness.h"

#include <string.h>

#define CLIENTS 3U // dom0; 1 and 2 are hostile, 2 has a ring
#define RING_CLIENT 2U
#define FLAG_READ 0x10U  // first take what waits
#define FLAG_LONG 0x20U  // length times 16
#define FLAG_INDEX 0x40U // the ring's indices are in the payload
#define HEAD 4U

static struct xenstore store;
static struct xenstore_connection *client[CLIENTS];
static struct xenstore_domain_interface page;
static struct xenstore_ring ring;

static int introduce(struct xenstore *s, uint16_t domid, uint64_t gfn, uint32_t port)
{
    return gfn && port ? xenstore_domain_introduce(s, domid) : -XEN_EINVAL;
}

static int release(struct xenstore *s, uint16_t domid)
{
    xenstore_domain_release(s, domid, true);
    return 0;
}

static void ring_write(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        page.req[MASK_XENSTORE_IDX(page.req_prod + i)] = ((const char *)data)[i];
    page.req_prod += (uint32_t)size;
}

static void ring_step(const struct xsd_sockmsg *header, const uint8_t *payload, unsigned int flags)
{
    if (flags & FLAG_INDEX && header->len >= sizeof(uint32_t)) {
        memcpy(&page.req_prod, payload, sizeof(page.req_prod));
    } else if (page.req_prod - page.req_cons + sizeof(*header) + header->len <=
               XENSTORE_RING_SIZE) {
        ring_write(header, sizeof(*header));
        ring_write(payload, header->len);
    }
    if (flags & FLAG_READ)
        page.rsp_cons = page.rsp_prod;
    if (!ring.connection->broken)
        xenstore_ring_serve(&ring, 10);
    else
        xenstore_work(&store);
}

static void output_drop(struct xenstore_connection *c)
{
    struct xenstore_message *m;

    while ((m = xenstore_output_take(c)) != NULL)
        free(m);
}

static size_t record_run(const uint8_t *data, size_t size)
{
    unsigned int number = data[0] % CLIENTS, flags = data[0] & 0xf0;
    size_t length = (size_t)data[3] << (flags & FLAG_LONG ? 4 : 0);
    struct xenstore_connection *c = client[number];

    length = length < size - HEAD ? length : size - HEAD;
    length = length < XENSTORE_PAYLOAD_MAX ? length : XENSTORE_PAYLOAD_MAX;
    const struct xsd_sockmsg header = {
        .type = data[1] % (XS_TYPE_COUNT + 2), .tx_id = data[2] % 4, .len = (uint32_t)length};
    if (number == RING_CLIENT) {
        ring_step(&header, data + HEAD, flags);
        return HEAD + length;
    }
    if (flags & FLAG_READ)
        output_drop(c);
    if (!c->broken) {
        char *copy = malloc(length + 1);
        memcpy(copy, data + HEAD, length);
        char *exact = realloc(copy, length ? length : 1);
        xenstore_request(c, &header, exact);
        free(exact);
    }
    return HEAD + length;
}

// Nodes and bytes of every domain, counted again.
static void count_nodes(struct xenstore_domain *counted, size_t *live)
{
    static struct xenstore_walk walk;
    struct xenstore_node *node;

    xenstore_walk_start(&walk, store.tree.root, "/");
    while ((node = xenstore_walk_next(&walk)) != NULL) {
        uint16_t owner = node->perms[0].domid;
        HARNESS_CHECK(node->live);
        *live += xenstore_node_size(node);
        if (owner < CLIENTS) {
            counted[owner].nodes++;
            counted[owner].bytes += xenstore_node_size(node);
        }
    }
}

static void books_check(void)
{
    struct xenstore_domain counted[CLIENTS] = {{0}};
    size_t live = 0;

    while (xenstore_work(&store)) {
    }
    count_nodes(counted, &live);
    HARNESS_CHECK(store.live == live);
    for (uint16_t domid = 1; domid < CLIENTS; domid++) {
        const struct xenstore_domain *d = xenstore_domain_find(&store, domid, false);
        HARNESS_CHECK((d ? d->nodes : 0) == counted[domid].nodes);
        HARNESS_CHECK((d ? d->bytes : 0) == counted[domid].bytes);
        HARNESS_CHECK(counted[domid].nodes <= XENSTORE_NODES_MAX);
        xenstore_transaction_reset(client[domid]);
        xenstore_watch_reset(client[domid]);
        HARNESS_CHECK(client[domid]->memory == 0);
        HARNESS_CHECK(client[domid]->transaction_count == 0 && client[domid]->watch_count == 0);
        output_drop(client[domid]);
        HARNESS_CHECK(client[domid]->output_size == 0);
    }
    xenstore_transaction_reset(client[0]);
    while (xenstore_work(&store)) {
    }
    HARNESS_CHECK(store.books.held == live && !store.books.dead);
}

static void place_make(uint16_t domid)
{
    struct xenstore_perm perms[] = {
        {domid, 0}
    };
    char path[32];

    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    HARNESS_CHECK(xenstore_node_make(client[0], NULL, path) == 0);
    HARNESS_CHECK(xenstore_node_set_perms(client[0], NULL, path, perms, 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&page, 0, sizeof(page));
    HARNESS_CHECK(xenstore_init(&store) == 0);
    store.introduce = introduce;
    store.release = release;
    for (uint16_t i = 0; i < CLIENTS; i++) {
        client[i] = xenstore_connect(&store, i);
        HARNESS_CHECK(client[i]);
        if (i)
            place_make(i);
    }
    xenstore_ring_init(&ring, &page, client[RING_CLIENT]);
    while (size > HEAD) {
        size_t used = record_run(data, size);
        data += used;
        size -= used;
    }
    books_check();
    xenstore_ring_end(&ring);
    xenstore_destroy(&store);
    return 0;
}

// --- seeds: a story each; '|' ends a string in a payload

struct story {
    uint8_t flags, type, transaction;
    const char *payload;
};

static const struct story plain[] = {
    {1,    XS_WRITE,                0, "data|hello"                },
    {1,    XS_READ,                 0, "data|"                     },
    {1,    XS_MKDIR,                0, "device/vif/0|"             },
    {1,    XS_WATCH,                0, "device|token|"             },
    {0,    XS_WRITE,                0, "/local/domain/1/device/x|1"},
    {0x11, XS_DIRECTORY,            0, "device|"                   },
    {1,    XS_DIRECTORY_PART,       0, "device|0|"                 },
    {1,    XS_SET_PERMS,            0, "data|n1|r2|"               },
    {1,    XS_GET_PERMS,            0, "data|"                     },
    {2,    XS_READ,                 0, "/local/domain/1/data|"     },
    {0x12, XS_WATCH,                0, "@releaseDomain|t|"         },
    {1,    XS_UNWATCH,              0, "device|token|"             },
    {1,    XS_RM,                   0, "device|"                   },
    {1,    XS_GET_DOMAIN_PATH,      0, "1|"                        },
    {0,    XS_INTRODUCE,            0, "1|7|8|"                    },
    {0,    XS_IS_DOMAIN_INTRODUCED, 0, "1|"                        },
    {0,    XS_SET_TARGET,           0, "1|2|"                      },
    {0,    XS_RELEASE,              0, "1|"                        },
    {1,    XS_RESET_WATCHES,        0, "|"                         },
    {0,    XS_CONTROL,              0, "help|"                     },
    {1,    XS_TYPE_COUNT,           0, ""                          },
};

static const struct story transactions[] = {
    {1,    XS_TRANSACTION_START, 0, "|"                  },
    {1,    XS_WRITE,             1, "a/b|1"              },
    {2,    XS_TRANSACTION_START, 0, "|"                  },
    {2,    XS_WRITE,             1, "a|2"                },
    {1,    XS_READ,              1, "a/b|"               },
    {0,    XS_TRANSACTION_START, 0, "|"                  },
    {0,    XS_WRITE,             1, "/local/domain/1/a|x"},
    {0,    XS_TRANSACTION_END,   1, "T|"                 },
    {1,    XS_TRANSACTION_END,   1, "T|"                 },
    {2,    XS_RM,                1, "a|"                 },
    {0x12, XS_TRANSACTION_END,   1, "F|"                 },
    {1,    XS_TRANSACTION_START, 0, "|"                  },
    {1,    XS_SET_PERMS,         2, "a|n1|"              },
    {1,    XS_TRANSACTION_END,   2, "T|"                 },
    {0x42, XS_READ,              0, "abcdefgh"           },
};

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    const struct story *story = number ? transactions : plain;
    size_t count = number ? sizeof(transactions) / sizeof(transactions[0])
                          : sizeof(plain) / sizeof(plain[0]);
    size_t at = 0;

    if (number > 1)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(story[i].payload);
        const uint8_t head[HEAD] = {story[i].flags, story[i].type, story[i].transaction,
                                    (uint8_t)length};
        memcpy(seed + at, head, HEAD);
        for (size_t k = 0; k < length; k++)
            seed[at + HEAD + k] = story[i].payload[k] == '|' ? 0 : (uint8_t)story[i].payload[k];
        at += HEAD + length;
    }
    return at;
}
