// SPDX-License-Identifier: MIT
/*
 * The checked heap: newlib's allocator, with the marks of heap_check.h round each block. The linker puts
 * these functions before newlib's (--wrap) where HEAP_CHECK says so, with DEBUG=1; other guests do not
 * contain them. A block is looked at when it is freed or its size is changed. The last freed blocks are
 * kept back for a while, so that freeing twice and writing after freeing are noticed.
 */
#include <errno.h>
#include <reent.h>
#include <string.h>
#include "pvguest/event.h"
#include "pvguest/heap_check.h"
#include "pvguest/trap.h"

#define ALIGN 16
#define KEPT_BLOCKS 64U
#define KEPT_SIZE_MAX 1024 /* larger blocks are given back at once: a guest may have 4 MiB */

void *__real__malloc_r(struct _reent *reent, size_t size);
void __real__free_r(struct _reent *reent, void *address);

void *__wrap__malloc_r(struct _reent *reent, size_t size);
void __wrap__free_r(struct _reent *reent, void *user);
void *__wrap__calloc_r(struct _reent *reent, size_t n, size_t size);
void *__wrap__realloc_r(struct _reent *reent, void *user, size_t size);
void *__wrap__memalign_r(struct _reent *reent, size_t align, size_t size);
size_t __wrap__malloc_usable_size_r(struct _reent *reent, void *user);

static void *kept[KEPT_BLOCKS];
static unsigned int kept_next;

#define CALLER __builtin_return_address(0)

/* What a block says of itself is told only as far as its mark can be trusted. */
static void demand(enum heap_fault fault, const void *user, const void *caller)
{
    const struct heap_block *block = heap_block_of(user);

    if (fault == HEAP_UNDERRUN) {
        trap_panic("HEAP FAULT: %s: block %lx, found by %lx", heap_fault_name(fault),
                   (uint64_t)user, (uint64_t)caller);
    }
    if (fault != HEAP_SOUND) {
        trap_panic("HEAP FAULT: %s: block %lx of %zu bytes, %s by %lx, found by %lx",
                   heap_fault_name(fault), (uint64_t)user, block->size,
                   fault == HEAP_OVERRUN ? "allocated" : "freed", (uint64_t)block->caller,
                   (uint64_t)caller);
    }
}

static void *allocate(struct _reent *reent, size_t size, size_t align, const void *caller)
{
    size_t room = heap_block_room(size, align);
    void *raw = room == 0 ? NULL : __real__malloc_r(reent, room);

    if (raw == NULL) {
        reent->_errno = ENOMEM;
        return NULL;
    }
    return heap_block_make(raw, size, align, caller);
}

static void release(struct _reent *reent, void *user, const void *caller)
{
    demand(heap_block_check_freed(user), user, caller);
    __real__free_r(reent, heap_block_of(user)->raw);
}

static void block_free(struct _reent *reent, void *user, const void *caller)
{
    unsigned long saved = event_save(); /* handlers may free, too */
    void *last = user;

    demand(heap_block_check(user), user, caller);
    heap_block_free(user, caller);
    if (heap_block_of(user)->size <= KEPT_SIZE_MAX) {
        last = kept[kept_next % KEPT_BLOCKS];
        kept[kept_next++ % KEPT_BLOCKS] = user;
    }
    if (last != NULL) {
        release(reent, last, caller);
    }
    event_restore(saved);
}

void *__wrap__malloc_r(struct _reent *reent, size_t size)
{
    return allocate(reent, size, ALIGN, CALLER);
}

void __wrap__free_r(struct _reent *reent, void *user)
{
    if (user != NULL) {
        block_free(reent, user, CALLER);
    }
}

void *__wrap__calloc_r(struct _reent *reent, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        reent->_errno = ENOMEM;
        return NULL;
    }
    void *user = allocate(reent, bytes, ALIGN, CALLER);
    return user == NULL ? NULL : memset(user, 0, bytes);
}

void *__wrap__realloc_r(struct _reent *reent, void *user, size_t size)
{
    if (user == NULL) {
        return allocate(reent, size, ALIGN, CALLER);
    }
    demand(heap_block_check(user), user, CALLER);
    void *larger = size == 0 ? NULL : allocate(reent, size, ALIGN, CALLER);
    if (larger != NULL) {
        size_t old = heap_block_of(user)->size;
        memcpy(larger, user, old < size ? old : size);
    }
    if (larger != NULL || size == 0) {
        block_free(reent, user, CALLER);
    }
    return larger;
}

void *__wrap__memalign_r(struct _reent *reent, size_t align, size_t size)
{
    if ((align & (align - 1)) != 0) {
        reent->_errno = EINVAL;
        return NULL;
    }
    return allocate(reent, size, align < ALIGN ? ALIGN : align, CALLER);
}

size_t __wrap__malloc_usable_size_r(struct _reent *reent, void *user)
{
    (void)reent;
    return user == NULL ? 0 : heap_block_of(user)->size;
}
