// SPDX-License-Identifier: MIT
/*
 * pvguest tested inside a guest: memory, threads, events, grants to itself, device layers. Runs as
 * a domU and as dom0's kernel. "filter=TEXT" runs only cases whose name contains it;
 * "crash=KIND" ends in that way instead (see crash()); "echo" gives back
 * the lines that are typed, up to "quit"; "shutdown=REASON" stops with that reason at once, "status=N" says
 * so and returns N from main; "spoof=ADDRESS" sends with a foreign source address (spoof.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"
#include "pvguest/examples/selftest/selftest.h"

struct suite {
    const char *name;
    const struct selftest *tests;
};

static const struct suite suites[] = {
    {"pvguest-memory", memory_tests},
    {"pvguest-thread", thread_tests},
    {"pvguest-event",  event_tests },
    {"pvguest-grant",  grant_tests },
    {"pvguest-device", device_tests},
};

static unsigned long overflow(unsigned long depth)
{
    volatile char room[256];
    room[depth % sizeof(room)] = 1;
    return depth == ~0UL ? 0 : overflow(depth + 1) + (unsigned long)room[depth % sizeof(room)];
}

/* A recursion as in a library: nothing asks whether there is room. */
__attribute__((no_instrument_function)) static unsigned long overflow_unseen(unsigned long depth)
{
    volatile char room[256];
    room[depth % sizeof(room)] = 1;
    return depth == ~0UL ? 0
                         : overflow_unseen(depth + 1) + (unsigned long)room[depth % sizeof(room)];
}

static void overflow_thread(void *arg)
{
    (void)arg;
    printf("%lu\n", overflow(0));
}

/* A frame larger than what is left and the guard page together: it would end in the stack below. */
static unsigned long large_frames(unsigned int depth)
{
    volatile char room[20000];
    room[depth] = 1;
    return depth == 0 ? 0 : large_frames(depth - 1) + (unsigned long)room[depth];
}

static void idle_thread(void *arg)
{
    (void)arg;
    thread_sleep(60 * NSEC_PER_SEC);
}

static void large_frames_thread(void *arg)
{
    (void)arg;
    printf("%lu frames have room\n", large_frames(1));
}

static bool bad_handler(struct trap_frame *frame)
{
    volatile int *volatile nowhere = NULL;
    nowhere[3] = 1;
    return true;
}

/* Only a checked heap notices; `how`: twice, over, under, late. */
static void heap_crash(const char *how)
{
    volatile char *volatile block = malloc(24); /* or the writes before free() are left out */

    if (strcmp(how, "over") == 0) {
        block[24] = 1;
    } else if (strcmp(how, "under") == 0) {
        block[-1] = 1;
    } else if (strcmp(how, "twice") == 0) {
        free((void *)block);
    } else if (strcmp(how, "late") == 0) {
        free((void *)block);
        block[3] = 1;
        for (int i = 0; i < 100; i++) {
            void *volatile other = malloc(8);
            free(other);
        }
        block = NULL;
    }
    free((void *)block);
    printf("the heap has not noticed\n");
}

static void crash(const char *kind)
{
    if (strncmp(kind, "heap-", 5) == 0) {
        heap_crash(kind + 5);
    } else if (strcmp(kind, "overflow-thread") == 0) {
        (void)thread_create("deep", overflow_thread, NULL);
        thread_yield();
    } else if (strcmp(kind, "overflow-frame") == 0) {
        (void)thread_create("below", idle_thread, NULL);
        (void)thread_create("large", large_frames_thread, NULL);
        thread_yield();
    } else if (strcmp(kind, "handler") == 0) {
        (void)trap_set_handler(14, bad_handler);
        kind = "null";
    }
    if (strcmp(kind, "null") == 0) {
        volatile int *volatile nowhere = NULL;
        nowhere[2] = 1;
    } else if (strcmp(kind, "undefined") == 0) {
        __builtin_trap();
    } else if (strcmp(kind, "assert") == 0) {
        ASSERT(kind == NULL);
    } else if (strcmp(kind, "abort") == 0) {
        abort();
    } else if (strcmp(kind, "overflow") == 0) {
        printf("%lu\n", overflow(0));
    } else if (strcmp(kind, "overflow-unseen") == 0) {
        printf("%lu\n", overflow_unseen(0));
    }
}

static int echo(void)
{
    char line[200];
    printf("echo: ready\n");
    while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "quit\n") != 0) {
        printf("echo: %s", line);
    }
    return 0;
}

int main(void)
{
    const char *filter = start_option("filter");
    unsigned int passed = 0, failed = 0;

    if (start_option("crash") != NULL) {
        crash(start_option("crash"));
    }
    if (start_option("shutdown") != NULL) {
        start_shutdown((unsigned int)strtoul(start_option("shutdown"), NULL, 10));
    }
    if (start_option("status") != NULL) {
        printf("about to return %s\n", start_option("status"));
        return (int)strtol(start_option("status"), NULL, 10);
    }
    if (start_option("spoof") != NULL) {
        return spoof(start_option("spoof"));
    }
    if (start_option("echo") != NULL) {
        return echo();
    }

    for (size_t s = 0; s < sizeof(suites) / sizeof(suites[0]); s++) {
        for (const struct selftest *test = suites[s].tests; test->name != NULL; test++) {
            char name[80];
            snprintf(name, sizeof(name), "%s/%s", suites[s].name, test->name);
            if (filter != NULL && strstr(name, filter) == NULL) {
                continue;
            }
            const char *reason = test->run();
            printf("%s %s%s%s\n", reason == NULL ? "PASS" : "FAIL", name,
                   reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
            passed += reason == NULL;
            failed += reason != NULL;
        }
    }
    printf("RESULT %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
