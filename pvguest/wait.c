// SPDX-License-Identifier: MIT
/*
 * Wait queues and mutexes. A waiter puts its entry on the queue before it looks at its condition;
 * wake_up marks the entries and makes their threads runnable, and a marked waiter does not block.
 * Entries live on the waiters' stacks and are taken off by the waiters.
 */
#include <stddef.h>
#include "pvguest/event.h"
#include "pvguest/init.h"
#include "pvguest/thread.h"
#include "pvguest/thread_private.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
    unsigned long saved = event_save();
    *entry = (struct wait_entry){queue->first, thread_current(), false};
    queue->first = entry;
    event_restore(saved);
}

void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
    unsigned long saved = event_save();
    struct wait_entry **link = &queue->first;
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    event_restore(saved);
}

static void entry_wake(struct wait_entry *entry)
{
    entry->woken = true;
    thread_make_runnable(entry->thread);
}

static void wait_timeout(void *arg)
{
    entry_wake(arg);
}

/* A wake-up between the look at the condition and here has set `woken`, and has perhaps queued the
 * running thread: then schedule returns when its turn comes. */
bool wait_block(struct wait_entry *entry, uint64_t deadline)
{
    struct timer timer = {0};

    if (deadline != UINT64_MAX) {
        if (time_now() >= deadline) {
            return false;
        }
        timer_set(&timer, deadline, wait_timeout, entry);
    }
    if (!entry->woken) {
        thread_schedule();
    }
    entry->woken = false;
    if (deadline != UINT64_MAX) {
        timer_cancel(&timer);
    }
    return true;
}

uint64_t wait_deadline_from(uint64_t ns)
{
    uint64_t now = time_now();
    return ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + ns;
}

void wake_up(struct wait_queue *queue)
{
    unsigned long saved = event_save();
    for (struct wait_entry *entry = queue->first; entry != NULL; entry = entry->next) {
        entry_wake(entry);
    }
    event_restore(saved);
}

/* Its wait_block returns with `woken` unset: the condition is looked at all the same. */
void thread_wake(struct thread *thread)
{
    thread_make_runnable(thread);
}

/* Threads are cooperative: between the look and the assignment nobody else runs. */
void mutex_lock(struct mutex *mutex)
{
    ASSERT(mutex->owner != thread_current());
    if (mutex->owner != NULL) {
        wait_event(&mutex->waiters, mutex->owner == NULL);
    }
    mutex->owner = thread_current();
}

bool mutex_trylock(struct mutex *mutex)
{
    if (mutex->owner != NULL) {
        return false;
    }
    mutex->owner = thread_current();
    return true;
}

void mutex_unlock(struct mutex *mutex)
{
    ASSERT(mutex->owner == thread_current());
    mutex->owner = NULL;
    if (mutex->waiters.first != NULL) {
        wake_up(&mutex->waiters);
    }
}
