// SPDX-License-Identifier: MIT
#include <string.h>
#include "pvguest/heap_check.h"

#define MARK_LIVE 0x9d7c1a55b10c4ea1UL
#define MARK_FREED 0xdeadb10cf4eed5afUL
#define PATTERN 0xdb

/* Marks depend on the address, so that a copied block is not taken for one. */
static uint64_t mark_for(const void *user, uint64_t mark)
{
    return mark ^ (uint64_t)(uintptr_t)user;
}

static uint64_t guard_of(const void *user, size_t size)
{
    uint64_t guard;

    memcpy(&guard, (const char *)user + size, sizeof(guard));
    return guard;
}

size_t heap_block_room(size_t size, size_t align)
{
    size_t extra = sizeof(struct heap_block) + align + sizeof(uint64_t);

    return align > SIZE_MAX / 4 || size > SIZE_MAX / 2 - extra ? 0 : size + extra;
}

void *heap_block_make(void *raw, size_t size, size_t align, const void *caller)
{
    uintptr_t start = (uintptr_t)raw + sizeof(struct heap_block);
    void *user = (void *)((start + align - 1) & ~(align - 1));
    uint64_t guard = mark_for(user, MARK_LIVE);

    *heap_block_of(user) = (struct heap_block){raw, size, caller, guard};
    memcpy((char *)user + size, &guard, sizeof(guard));
    return user;
}

struct heap_block *heap_block_of(const void *user)
{
    return (struct heap_block *)(uintptr_t)user - 1;
}

enum heap_fault heap_block_check(const void *user)
{
    const struct heap_block *block = heap_block_of(user);

    if (block->mark == mark_for(user, MARK_FREED)) {
        return HEAP_FREED;
    }
    if (block->mark != mark_for(user, MARK_LIVE)) {
        return HEAP_UNDERRUN;
    }
    return guard_of(user, block->size) == block->mark ? HEAP_SOUND : HEAP_OVERRUN;
}

void heap_block_free(void *user, const void *caller)
{
    struct heap_block *block = heap_block_of(user);

    block->caller = caller;
    block->mark = mark_for(user, MARK_FREED);
    memset(user, PATTERN, block->size);
}

enum heap_fault heap_block_check_freed(const void *user)
{
    const struct heap_block *block = heap_block_of(user);
    const unsigned char *bytes = user;

    if (block->mark != mark_for(user, MARK_FREED)) {
        return HEAP_UNDERRUN;
    }
    for (size_t i = 0; i < block->size; i++) {
        if (bytes[i] != PATTERN) {
            return HEAP_USED_FREED;
        }
    }
    return guard_of(user, block->size) == mark_for(user, MARK_LIVE) ? HEAP_SOUND : HEAP_OVERRUN;
}

const char *heap_fault_name(enum heap_fault fault)
{
    static const char *const names[] = {"sound", "overrun", "underrun or no block", "double free",
                                        "written after free"};

    return names[fault];
}
