// SPDX-License-Identifier: MIT
/*
 * Cooperative threads on vcpu 0. A thread runs until it yields, sleeps, waits or exits; event
 * handlers and timers interrupt it but never switch threads. So data shared among threads needs no
 * lock between two blocking calls, and data shared with handlers needs event_save/event_restore.
 * When no thread can run, the vcpu blocks until the next timer or event.
 *
 * Each thread has its own stack with a guard page below and its own newlib reentrancy state
 * (errno and the like); the stdio streams are shared and locked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;

/* The name is copied (15 characters). NULL when out of memory. The thread is freed when fn
 * returns. Stack: 32 KiB. */
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg);
/* As thread_create, with stack_pages pages of stack. */
struct thread *thread_create_sized(const char *name, void (*fn)(void *arg), void *arg,
                                   size_t stack_pages);
struct thread *thread_current(void);
const char *thread_name(const struct thread *thread);
void thread_yield(void);
/* Makes a thread look again at what it waits for, as wake_up does, whatever its queue. */
void thread_wake(struct thread *thread);
/* Sleeps at least ns nanoseconds. */
void thread_sleep(uint64_t ns);
_Noreturn void thread_exit(void);

/*
 * Wait queues. wake_up makes all waiters look at their condition again; it may be called from
 * threads, event handlers and timers. No wake-up is lost between the look and the sleep.
 */
struct wait_queue {
    struct wait_entry *first; /* zero-initialised is empty */
};
#define WAIT_QUEUE_INIT                                                                            \
    {                                                                                              \
        NULL                                                                                       \
    }

void wake_up(struct wait_queue *queue);

/* Waits until the expression `condition` is true; it is evaluated again after every wake_up. */
#define wait_event(queue, condition)                                                               \
    do {                                                                                           \
        struct wait_entry wait_entry_;                                                             \
        wait_prepare((queue), &wait_entry_);                                                       \
        while (!(condition)) {                                                                     \
            wait_block(&wait_entry_, UINT64_MAX);                                                  \
        }                                                                                          \
        wait_finish((queue), &wait_entry_);                                                        \
    } while (0)

/* As wait_event, for at most ns nanoseconds. The value is the condition at the end (bool). */
#define wait_event_timeout(queue, condition, ns)                                                   \
    ({                                                                                             \
        struct wait_entry wait_entry_;                                                             \
        uint64_t wait_deadline_ = wait_deadline_from(ns);                                          \
        bool wait_true_;                                                                           \
        wait_prepare((queue), &wait_entry_);                                                       \
        while (!(wait_true_ = (condition)) && wait_block(&wait_entry_, wait_deadline_)) {          \
        }                                                                                          \
        wait_finish((queue), &wait_entry_);                                                        \
        wait_true_ || (condition);                                                                 \
    })

/* The parts of wait_event; not for direct use. */
struct wait_entry {
    struct wait_entry *next;
    struct thread *thread;
    volatile bool woken;
};
void wait_prepare(struct wait_queue *queue, struct wait_entry *entry);
bool wait_block(struct wait_entry *entry, uint64_t deadline); /* false: the deadline has passed */
void wait_finish(struct wait_queue *queue, struct wait_entry *entry);
uint64_t wait_deadline_from(uint64_t ns); /* now + ns, saturating */

/* Mutex: needed only where the holder blocks. Not recursive. Zero-initialised is free. */
struct mutex {
    struct thread *owner;
    struct wait_queue waiters;
};
#define MUTEX_INIT                                                                                 \
    {                                                                                              \
        NULL, WAIT_QUEUE_INIT                                                                      \
    }

void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
