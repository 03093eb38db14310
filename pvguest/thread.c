// SPDX-License-Identifier: MIT
/*
 * The scheduler: a queue of runnable threads, taken in order. A thread is running, or in the run
 * queue, or waiting (some wake-up will put it into the queue); the queue changes with upcalls
 * masked because handlers wake threads.
 *
 * There is no idle thread: whoever finds the queue empty blocks the vcpu on its own stack and looks
 * again. The check and SCHEDOP_block are done with upcalls masked, and blocking returns at once if
 * an event is pending, so no wake-up is lost in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest/event.h"
#include "pvguest/init.h"
#include "pvguest/memory.h"
#include "pvguest/priv.h"
#include "pvguest/reent.h"
#include "pvguest/thread.h"
#include "pvguest/thread_private.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

#define STACK_PAGES 8
#define STACK_RESERVE 4096 /* as in entry.S */
#define SAVED_REGISTERS 6  /* thread_switch_stack */

struct thread {
    uint64_t rsp; /* while it does not run */
    struct thread *next;
    bool queued;
    char name[16];
    void (*fn)(void *arg);
    void *arg;
    void *stack;
    size_t stack_pages;
    struct _reent reent;
};

static struct thread *current;
uint64_t thread_stack_limit;
static struct thread *queue_head, **queue_tail = &queue_head;
static struct thread *dead; /* has left its stack for the last time */

struct thread *thread_current(void)
{
    return current;
}

const char *thread_name(const struct thread *thread)
{
    return thread == NULL ? "start" : thread->name;
}

void thread_make_runnable(struct thread *thread)
{
    unsigned long saved = event_save();
    if (!thread->queued) {
        thread->queued = true;
        thread->next = NULL;
        *queue_tail = thread;
        queue_tail = &thread->next;
    }
    event_restore(saved);
}

/* The next runnable thread; sleeps until there is one. Upcalls are masked. */
static struct thread *queue_take(void)
{
    while (queue_head == NULL) {
        priv_block(); /* unmasks */
        event_save();
    }
    struct thread *thread = queue_head;
    queue_head = thread->next;
    if (queue_head == NULL) {
        queue_tail = &queue_head;
    }
    thread->queued = false;
    return thread;
}

static void become_current(struct thread *thread)
{
    current = thread;
    _impure_ptr = &thread->reent;
    thread_stack_limit = (uint64_t)thread->stack + STACK_RESERVE;
}

static void thread_free(struct thread *thread)
{
    memory_free_region(thread->stack, thread->stack_pages);
    reent_end(&thread->reent);
    free(thread);
}

/* First thing on the new stack: nobody stands on a dead thread's stack any more. */
static void switch_finish(void)
{
    if (dead != NULL) {
        struct thread *thread = dead;
        dead = NULL;
        thread_free(thread);
    }
}

void thread_schedule(void)
{
    unsigned long saved = event_save();
    ASSERT(saved == 0);
    struct thread *previous = current, *next = queue_take();
    event_restore(saved);
    if (next == previous) {
        return;
    }
    become_current(next);
    thread_switch_stack(&previous->rsp, next->rsp);
    switch_finish();
}

static _Noreturn void thread_enter(void)
{
    switch_finish();
    current->fn(current->arg);
    thread_exit();
}

struct thread *thread_create_sized(const char *name, void (*fn)(void *arg), void *arg,
                                   size_t stack_pages)
{
    struct thread *thread = calloc(1, sizeof(*thread));
    if (thread == NULL) {
        return NULL;
    }
    thread->stack = memory_alloc_region(stack_pages);
    if (thread->stack == NULL) {
        free(thread);
        return NULL;
    }
    strncpy(thread->name, name, sizeof(thread->name) - 1);
    thread->fn = fn;
    thread->arg = arg;
    thread->stack_pages = stack_pages;
    reent_start(&thread->reent);
    /* From the top: an alignment word, the return address, the saved registers. */
    uint64_t *top = (uint64_t *)((char *)thread->stack + stack_pages * PAGE_SIZE);
    top[-2] = (uint64_t)thread_enter;
    thread->rsp = (uint64_t)&top[-2 - SAVED_REGISTERS];
    thread_make_runnable(thread);
    return thread;
}

struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg)
{
    return thread_create_sized(name, fn, arg, STACK_PAGES);
}

_Noreturn void thread_start(void (*fn)(void *arg), void *arg)
{
    uint64_t boot_rsp;

    ASSERT(thread_create_sized("main", fn, arg, 2 * STACK_PAGES) != NULL);
    unsigned long saved = event_save();
    become_current(queue_take());
    event_restore(saved);
    thread_switch_stack(&boot_rsp, current->rsp);
    trap_panic("the boot stack was used again");
}

void thread_yield(void)
{
    thread_make_runnable(current);
    thread_schedule();
}

_Noreturn void thread_exit(void)
{
    while (current->queued) {
        thread_schedule(); /* a late wake-up of an earlier wait has queued us */
    }
    dead = current;
    thread_schedule();
    trap_panic("a dead thread was run");
}

void thread_sleep(uint64_t ns)
{
    struct wait_queue nobody = WAIT_QUEUE_INIT;
    (void)wait_event_timeout(&nobody, false, ns);
}
