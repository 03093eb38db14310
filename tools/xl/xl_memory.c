// SPDX-License-Identifier: MIT
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_memory.h"

struct piece {
    struct piece *next;
    alignas(max_align_t) unsigned char bytes[];
};

struct xl_memory {
    unsigned int references;
    struct piece *pieces;
};

struct xl_memory *xl_memory_create(void)
{
    struct xl_memory *memory = calloc(1, sizeof(*memory));

    if (memory) {
        memory->references = 1;
    }
    return memory;
}

void xl_memory_get(struct xl_memory *memory)
{
    memory->references++;
}

void xl_memory_put(struct xl_memory *memory)
{
    struct piece *piece;

    if (!memory || --memory->references > 0) {
        return;
    }
    while ((piece = memory->pieces) != NULL) {
        memory->pieces = piece->next;
        free(piece);
    }
    free(memory);
}

void *xl_alloc(struct xl_memory *memory, size_t size)
{
    struct piece *piece = size <= SIZE_MAX / 2 ? calloc(1, sizeof(*piece) + size) : NULL;

    if (!piece) {
        return NULL;
    }
    piece->next = memory->pieces;
    memory->pieces = piece;
    return piece->bytes;
}

char *xl_text(struct xl_memory *memory, const char *bytes, size_t length)
{
    char *text = xl_alloc(memory, length + 1);

    if (text) {
        memcpy(text, bytes, length);
    }
    return text;
}
