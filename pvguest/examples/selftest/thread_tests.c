// SPDX-License-Identifier: MIT
/* Threads, wait queues, mutexes, time, timers. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest/event.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/examples/selftest/selftest.h"

static volatile int counter;
static struct wait_queue queue;

static void count_up(void *arg)
{
    for (int i = 0; i < (int)(intptr_t)arg; i++) {
        counter++;
        thread_yield();
    }
    wake_up(&queue);
}

static const char *create_and_end(void)
{
    counter = 0;
    for (int i = 0; i < 20; i++) {
        CHECK(thread_create("counter", count_up, (void *)10) != NULL);
    }
    wait_event(&queue, counter == 200);
    thread_yield();
    size_t before = page_free_count();
    for (int i = 0; i < 100; i++) {
        CHECK(thread_create("counter", count_up, (void *)1) != NULL);
        while (counter < 201 + i) {
            thread_yield();
        }
        thread_yield();
    }
    CHECK(page_free_count() + 40 >= before); /* a thread has 9 pages; the heap may have grown */
    return NULL;
}

static const char *own_errno(void)
{
    errno = 5;
    counter = 0;
    CHECK(thread_create("errno", count_up, (void *)1) != NULL);
    wait_event(&queue, counter == 1);
    CHECK(errno == 5);
    return NULL;
}

static void print_some(void *arg)
{
    printf("thread %d ", (int)(intptr_t)arg); /* no newline: stays in the shared buffer */
    count_up((void *)1);
}

static const char *shared_streams(void)
{
    counter = 0;
    CHECK(thread_create("printer", print_some, (void *)1) != NULL);
    CHECK(thread_create("printer", print_some, (void *)2) != NULL);
    wait_event(&queue, counter == 2);
    printf("and main share a stream\n");
    return NULL;
}

static const char *sleeping(void)
{
    for (uint64_t ms = 1; ms <= 16; ms *= 4) {
        uint64_t start = time_now();
        thread_sleep(ms * NSEC_PER_MSEC);
        CHECK(time_now() - start >= ms * NSEC_PER_MSEC);
        CHECK(time_now() - start < (ms + 500) * NSEC_PER_MSEC);
    }
    return NULL;
}

static const char *waiting(void)
{
    uint64_t start = time_now();
    CHECK(!wait_event_timeout(&queue, false, 5 * NSEC_PER_MSEC));
    CHECK(time_now() - start >= 5 * NSEC_PER_MSEC);
    counter = 0;
    CHECK(thread_create("waker", count_up, (void *)3) != NULL);
    CHECK(wait_event_timeout(&queue, counter == 3, 5 * NSEC_PER_SEC));
    return NULL;
}

static struct mutex mutex;
static bool inside, violated;

static void lock_user(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        mutex_lock(&mutex);
        violated = violated || inside;
        inside = true;
        thread_yield();
        inside = false;
        mutex_unlock(&mutex);
        thread_yield();
    }
    counter++;
    wake_up(&queue);
}

static const char *mutexes(void)
{
    counter = 0;
    for (int i = 0; i < 5; i++) {
        CHECK(thread_create("locker", lock_user, NULL) != NULL);
    }
    CHECK(wait_event_timeout(&queue, counter == 5, 5 * NSEC_PER_SEC));
    CHECK(!violated);
    CHECK(mutex_trylock(&mutex) && !mutex_trylock(&mutex));
    mutex_unlock(&mutex);
    return NULL;
}

static int order[4];
static volatile int fired;

static void timer_fired(void *arg)
{
    order[fired++ % 4] = (int)(intptr_t)arg;
    wake_up(&queue);
}

static const char *timers(void)
{
    static struct timer a, b, c, d; /* a failed check leaves some set */
    uint64_t now = time_now();

    fired = 0;
    timer_set(&a, now + 6 * NSEC_PER_MSEC, timer_fired, (void *)3);
    timer_set(&b, now + 2 * NSEC_PER_MSEC, timer_fired, (void *)1);
    timer_set(&c, now + 4 * NSEC_PER_MSEC, timer_fired, (void *)2);
    timer_set(&d, now + 3600 * NSEC_PER_SEC, timer_fired, (void *)4);
    CHECK(timer_cancel(&d) && !timer_cancel(&d));
    CHECK(wait_event_timeout(&queue, fired == 3, NSEC_PER_SEC));
    CHECK(order[0] == 1 && order[1] == 2 && order[2] == 3);
    timer_set(&a, 0, timer_fired, (void *)9); /* in the past: at once */
    CHECK(wait_event_timeout(&queue, fired == 4, NSEC_PER_SEC));
    timer_set(&a, UINT64_MAX - 1, timer_fired, NULL);
    timer_set(&a, time_now() + NSEC_PER_MSEC, timer_fired, (void *)7); /* moved */
    CHECK(wait_event_timeout(&queue, fired == 5, NSEC_PER_SEC));
    CHECK(order[0] == 7);
    return NULL;
}

static const char *clocks(void)
{
    uint64_t last = time_now(), wall = time_wall();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = time_now();
        CHECK(now >= last);
        last = now;
    }
    CHECK(wall > 1600000000ULL * NSEC_PER_SEC && time_wall() >= wall);
    return NULL;
}

static void timer_disturb(void *arg)
{
    /* Uses the SSE registers in the handler. */
    volatile double x = 1.5;
    for (int i = 0; i < 20; i++) {
        x = x * 1.25 + 0.5;
    }
    char text[64];
    memset(text, (int)x, sizeof(text));
    fired++;
    if (fired < 200) {
        timer_set(arg, time_now() + 20 * NSEC_PER_USEC, timer_disturb, arg);
    }
}

/* The same sum twice, once while timers fire. */
static double sum_series(void)
{
    double sum = 0;
    for (int i = 1; i < 400000; i++) {
        sum += 1.0 / i;
    }
    return sum;
}

static const char *registers_kept(void)
{
    static struct timer timer;
    double quiet = sum_series();

    fired = 0;
    timer_set(&timer, 0, timer_disturb, &timer);
    for (int i = 0; i < 20 && fired < 200; i++) {
        CHECK(sum_series() == quiet);
    }
    CHECK(wait_event_timeout(&queue, fired == 200, NSEC_PER_SEC) || fired > 5);
    timer_cancel(&timer);
    char text[32];
    snprintf(text, sizeof(text), "%.3f", quiet);
    CHECK(strcmp(text, "13.476") == 0);
    return NULL;
}

const struct selftest thread_tests[] = {
    {"create_and_end", create_and_end},
    {"own_errno",      own_errno     },
    {"shared_streams", shared_streams},
    {"sleeping",       sleeping      },
    {"waiting",        waiting       },
    {"mutexes",        mutexes       },
    {"timers",         timers        },
    {"clocks",         clocks        },
    {"registers_kept", registers_kept},
    {NULL,             NULL          },
};
