// SPDX-License-Identifier: MIT
/*
 * newlib's locks. The one of malloc masks upcalls, so that event handlers may allocate too; it is
 * held for short, never across a switch. The others (stdio) are held while the console blocks, so
 * they are recursive mutexes between threads.
 */
#include <stdlib.h>
#include <sys/lock.h>
#include "pvguest/event.h"
#include "pvguest/thread.h"

struct __lock {
    struct mutex mutex;
    unsigned int depth;
};

struct __lock __lock___sinit_recursive_mutex, __lock___sfp_recursive_mutex,
    __lock___atexit_recursive_mutex, __lock___malloc_recursive_mutex, __lock___env_recursive_mutex,
    __lock___at_quick_exit_mutex, __lock___tz_mutex, __lock___dd_hash_mutex,
    __lock___arc4random_mutex;

static unsigned long malloc_saved;

static void malloc_lock(struct __lock *lock)
{
    unsigned long saved = event_save();
    if (lock->depth++ == 0) {
        malloc_saved = saved;
    }
}

static void malloc_unlock(struct __lock *lock)
{
    if (--lock->depth == 0) {
        event_restore(malloc_saved);
    }
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof(**lock));
}

void __retarget_lock_init(_LOCK_T *lock)
{
    __retarget_lock_init_recursive(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (lock == NULL) {
        return; /* out of memory when it was made */
    }
    if (lock == &__lock___malloc_recursive_mutex) {
        malloc_lock(lock);
        return;
    }
    if (lock->mutex.owner != thread_current() || lock->depth == 0) {
        mutex_lock(&lock->mutex);
    }
    lock->depth++;
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    __retarget_lock_acquire_recursive(lock);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    if (lock != NULL && lock != &__lock___malloc_recursive_mutex && lock->depth > 0 &&
        lock->mutex.owner != thread_current()) {
        return 0;
    }
    __retarget_lock_acquire_recursive(lock);
    return 1;
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return __retarget_lock_try_acquire_recursive(lock);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (lock == NULL) {
        return;
    }
    if (lock == &__lock___malloc_recursive_mutex) {
        malloc_unlock(lock);
    } else if (--lock->depth == 0) {
        mutex_unlock(&lock->mutex);
    }
}

void __retarget_lock_release(_LOCK_T lock)
{
    __retarget_lock_release_recursive(lock);
}
