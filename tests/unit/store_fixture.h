// SPDX-License-Identifier: MIT
/*
 * A store with clients, and an allocator that counts and fails on demand (linked with --wrap).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dom0/xenstore.h"

extern size_t held, held_before; /* bytes, as newlib's allocator takes them; those before setup() */
extern unsigned int allocations, fail_at; /* which one fails; 0: none */
extern unsigned int frees;
extern struct xenstore store;
extern struct xenstore_connection *root;
extern char word[32]; /* the last answer's text */

/* Neither counted nor failing. */
void *__real_malloc(size_t size);
void __real_free(void *block);

/* A new store; teardown() asserts that nothing is held any more. */
void setup(void);
void teardown(void);
/* A client that owns /local/domain/N/data. */
struct xenstore_connection *guest(uint16_t domid);

/* A request and the type of its answer. */
uint32_t ask_tx(struct xenstore_connection *c, uint32_t type, uint32_t tx, const void *payload,
                size_t length);
#define ASK(c, type, text) ask_tx(c, type, 0, text, sizeof(text))
uint32_t transaction(struct xenstore_connection *c);
uint32_t end(struct xenstore_connection *c, uint32_t tx); /* commits */
uint32_t write_node(struct xenstore_connection *c, uint32_t tx, const char *path, size_t length);
void settle(void); /* all work that waits is done */
void events_drop(struct xenstore_connection *c);
