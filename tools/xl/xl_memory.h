// SPDX-License-Identifier: MIT
/*
 * Memory that is given back all at once: what a configuration consists of. Counted references, for
 * copies of a configuration that outlive each other; one thread.
 */
#pragma once

#include <stddef.h>

struct xl_memory;

/* With one reference; NULL when there is no memory. */
struct xl_memory *xl_memory_create(void);
void xl_memory_get(struct xl_memory *memory);
/* NULL is none. The last one frees all that was allocated from it. */
void xl_memory_put(struct xl_memory *memory);

/* Zeroed; NULL when there is no memory. */
void *xl_alloc(struct xl_memory *memory, size_t size);
/* A string of these bytes. */
char *xl_text(struct xl_memory *memory, const char *bytes, size_t length);
