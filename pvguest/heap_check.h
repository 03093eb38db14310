// SPDX-License-Identifier: MIT
/*
 * Blocks of a checked heap: a mark before the bytes of the user and one behind them. Which of them is
 * gone says what went wrong. Nothing is allocated here: heap_wrap.c does that, in builds with DEBUG=1.
 *
 * A block, inside of what the allocator gave:
 *
 *      [room for alignment] [struct heap_block] [size bytes of the user] [8 bytes of guard]
 *
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Right before the bytes of the user. `mark` lies last: an underrun reaches it first. */
struct heap_block {
    void *raw; /* what the allocator gave */
    size_t size;
    const void *caller; /* who allocated it, then who freed it */
    uint64_t mark;
};

enum heap_fault {
    HEAP_SOUND,
    HEAP_OVERRUN,    /* bytes behind the end were written */
    HEAP_UNDERRUN,   /* bytes before the start were written, or it is no block at all */
    HEAP_FREED,      /* free again */
    HEAP_USED_FREED, /* written after it was freed */
};

/* Bytes to ask the allocator for; 0 if no block can be that big. `align`: power of two, at least 16. */
size_t heap_block_room(size_t size, size_t align);
/* Makes a block of raw memory of that room; gives the address for the user. */
void *heap_block_make(void *raw, size_t size, size_t align, const void *caller);
struct heap_block *heap_block_of(const void *user);
enum heap_fault heap_block_check(const void *user);
/* A sound block becomes a freed one, filled with a pattern. */
void heap_block_free(void *user, const void *caller);
/* Whether a freed block still is as heap_block_free left it: HEAP_SOUND or what happened. */
enum heap_fault heap_block_check_freed(const void *user);
const char *heap_fault_name(enum heap_fault fault);
