// SPDX-License-Identifier: MIT
/*
 * xenbus and split devices against the real store's core, all in one process. Threads are played:
 * the xenbus thread runs inside pump() until it would block, and then jumps back here.
 */
#include <CUnit/CUnit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"
#include "dom0/xenstore_xenbus.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus_device.h"
#include "tests/report.h"

#define BACK "/local/domain/0/backend/toy"
#define FRONT "/local/domain/%u/device/toy/%u"

static struct xenstore store;

/* The kernel that xenbus stands on -------------------------------------------------------------- */
static void (*thread_fn)(void *arg);
static bool in_thread;
static jmp_buf blocked;

struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg)
{
    (void)name;
    (void)arg;
    thread_fn = fn;
    return (struct thread *)&thread_fn;
}

struct thread *thread_current(void)
{
    return in_thread ? (struct thread *)&thread_fn : NULL;
}

void wake_up(struct wait_queue *queue)
{
    (void)queue;
}

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
    (void)queue;
    (void)entry;
}

bool wait_block(struct wait_entry *entry, uint64_t deadline)
{
    (void)entry;
    (void)deadline;
    CU_ASSERT_TRUE_FATAL(in_thread); /* nobody else could ever wake the test itself */
    longjmp(blocked, 1);
}

void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
    (void)queue;
    (void)entry;
}

void console_printf(const char *format, ...)
{
    (void)format;
}

const char *errno_name(int error)
{
    (void)error;
    return "E";
}

int xenbus_ring_connect(void)
{
    return -XEN_ENODEV;
}

/* Runs the xenbus thread until nothing is left to do. */
static void pump(void)
{
    in_thread = true;
    if (thread_fn != NULL && setjmp(blocked) == 0) {
        thread_fn(NULL);
    }
    in_thread = false;
}

/* Nodes ------------------------------------------------------------------------------------------ */
static void attach(void)
{
    CU_ASSERT_EQUAL_FATAL(xenstore_init(&store), 0);
    CU_ASSERT_EQUAL(xenbus_write(0, "/a", "b", 1), -XEN_ENODEV);
    CU_ASSERT_EQUAL_FATAL(xenstore_xenbus_attach(&store), 0);
    CU_ASSERT_EQUAL(xenstore_xenbus_attach(&store), -XEN_EEXIST);
}

static void nodes(void)
{
    char *value;
    size_t length;
    char text[8];
    uint64_t number;
    CU_ASSERT_EQUAL(xenbus_write(0, "/test/bytes", "a\0b", 3), 0);
    CU_ASSERT_EQUAL_FATAL(xenbus_read(0, "/test/bytes", &value, &length), 0);
    CU_ASSERT_EQUAL(length, 3);
    CU_ASSERT_EQUAL(memcmp(value, "a\0b", 4), 0);
    free(value);
    CU_ASSERT_EQUAL(xenbus_read(0, "/test/nothing", &value, NULL), -XEN_ENOENT);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/test", "number", "%d", 51712), 0);
    CU_ASSERT_EQUAL(xenbus_read_number(0, "/test", "number", &number), 0);
    CU_ASSERT_EQUAL(number, 51712);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/test/hex", NULL, "0x1F"), 0);
    CU_ASSERT_EQUAL(xenbus_read_number_or("/test", "hex", 1), 0x1f);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/test", "hex", "12x"), 0);
    CU_ASSERT_EQUAL(xenbus_read_number(0, "/test", "hex", &number), -XEN_EINVAL);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/test", "hex", "-1"), 0);
    CU_ASSERT_EQUAL(xenbus_read_number_or("/test", "hex", 77), 77);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/test", "text", "1234567"), 0);
    CU_ASSERT_EQUAL(xenbus_read_text("/test", "text", text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(text, "1234567");
    CU_ASSERT_EQUAL(xenbus_printf(0, "/test", "text", "12345678"), 0);
    CU_ASSERT_EQUAL(xenbus_read_text("/test", "text", text, sizeof(text)), -XEN_E2BIG);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/test"), 0);
    CU_ASSERT_EQUAL(xenbus_read(0, "/test/bytes", &value, NULL), -XEN_ENOENT);
}

static void transactions(void)
{
    uint32_t tx;
    uint64_t number;
    CU_ASSERT_EQUAL(xenbus_transaction_start(&tx), 0);
    CU_ASSERT_NOT_EQUAL(tx, XENBUS_NO_TRANSACTION);
    CU_ASSERT_EQUAL(xenbus_printf(tx, "/tx", "a", "1"), 0);
    CU_ASSERT_EQUAL(xenbus_read_number(0, "/tx", "a", &number), -XEN_ENOENT);
    CU_ASSERT_EQUAL(xenbus_transaction_end(tx, false), 0);
    CU_ASSERT_EQUAL(xenbus_read_number_or("/tx", "a", 0), 1);
    CU_ASSERT_EQUAL(xenbus_transaction_start(&tx), 0);
    CU_ASSERT_EQUAL(xenbus_read_number(tx, "/tx", "a", &number), 0);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/tx", "a", "2"), 0);
    CU_ASSERT_EQUAL(xenbus_printf(tx, "/tx", "a", "3"), 0);
    CU_ASSERT_EQUAL(xenbus_transaction_end(tx, false), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(xenbus_read_number_or("/tx", "a", 0), 2);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/tx"), 0);
}

static void directories(void)
{
    char **names;
    size_t count;
    char path[128];
    bool seen[300] = {false};
    CU_ASSERT_EQUAL(xenbus_mkdir(0, "/dir"), 0);
    CU_ASSERT_EQUAL_FATAL(xenbus_directory(0, "/dir", &names, &count), 0);
    CU_ASSERT_EQUAL(count, 0);
    free(names);
    for (unsigned int i = 0; i < 300; i++) { /* more than one message can hold */
        snprintf(path, sizeof(path), "/dir/%03u-with-a-name-of-some-length", i);
        CU_ASSERT_EQUAL(xenbus_mkdir(0, path), 0);
    }
    CU_ASSERT_EQUAL_FATAL(xenbus_directory(0, "/dir", &names, &count), 0);
    CU_ASSERT_EQUAL(count, 300);
    for (size_t i = 0; i < count; i++) {
        unsigned long number = strtoul(names[i], NULL, 10);
        CU_ASSERT_TRUE_FATAL(number < 300);
        CU_ASSERT_STRING_EQUAL(names[i] + 3, "-with-a-name-of-some-length");
        CU_ASSERT_FALSE(seen[number]);
        seen[number] = true;
    }
    free(names);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/dir"), 0);
    CU_ASSERT_EQUAL(xenbus_directory(0, "/dir", &names, &count), -XEN_ENOENT);
}

static void permissions(void)
{
    struct xenbus_permissions *wanted = malloc(sizeof(*wanted) + 2 * sizeof(wanted->entries[0]));
    struct xenbus_permissions *seen;
    wanted->count = 2;
    wanted->entries[0] = (struct xenbus_permission){3, XENBUS_ACCESS_NONE};
    wanted->entries[1] = (struct xenbus_permission){7, XENBUS_ACCESS_READ | XENBUS_ACCESS_WRITE};
    CU_ASSERT_EQUAL(xenbus_mkdir(0, "/perm"), 0);
    CU_ASSERT_EQUAL(xenbus_set_permissions(0, "/perm", wanted), 0);
    CU_ASSERT_EQUAL_FATAL(xenbus_get_permissions(0, "/perm", &seen), 0);
    CU_ASSERT_EQUAL_FATAL(seen->count, 2);
    CU_ASSERT_EQUAL(seen->entries[0].domid, 3);
    CU_ASSERT_EQUAL(seen->entries[0].access, XENBUS_ACCESS_NONE);
    CU_ASSERT_EQUAL(seen->entries[1].domid, 7);
    CU_ASSERT_EQUAL(seen->entries[1].access, XENBUS_ACCESS_READ | XENBUS_ACCESS_WRITE);
    free(seen);
    free(wanted);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/perm"), 0);
}

/* Watches ---------------------------------------------------------------------------------------- */
static unsigned int fired_count;
static char fired_path[64];

static void note_fired(struct xenbus_watch *watch, const char *path)
{
    (void)watch;
    fired_count++;
    snprintf(fired_path, sizeof(fired_path), "%s", path);
}

static void fired_once(struct xenbus_watch *watch, const char *path)
{
    note_fired(watch, path);
    xenbus_unwatch(watch);
}

static void watches(void)
{
    struct xenbus_watch watch = {.path = "/watched", .fired = note_fired};
    fired_count = 0;
    CU_ASSERT_EQUAL(xenbus_watch(&watch), 0);
    pump();
    CU_ASSERT_EQUAL(fired_count, 1);
    CU_ASSERT_EQUAL(xenbus_write(0, "/watched/below", "1", 1), 0);
    CU_ASSERT_EQUAL(xenbus_write(0, "/watched/below", "2", 1), 0); /* merged with the first */
    CU_ASSERT_EQUAL(xenbus_write(0, "/elsewhere", "1", 1), 0);
    pump();
    CU_ASSERT_EQUAL(fired_count, 2);
    CU_ASSERT_STRING_EQUAL(fired_path, "/watched/below");
    xenbus_watch_trigger(&watch);
    pump();
    CU_ASSERT_EQUAL(fired_count, 3);
    CU_ASSERT_EQUAL(xenbus_write(0, "/watched", "3", 1), 0);
    xenbus_unwatch(&watch); /* what was queued is not delivered any more */
    CU_ASSERT_EQUAL(xenbus_write(0, "/watched", "4", 1), 0);
    pump();
    CU_ASSERT_EQUAL(fired_count, 3);
    watch = (struct xenbus_watch){.path = "/watched", .fired = fired_once};
    CU_ASSERT_EQUAL(xenbus_watch(&watch), 0);
    pump();
    CU_ASSERT_EQUAL(xenbus_write(0, "/watched", "5", 1), 0);
    pump();
    CU_ASSERT_EQUAL(fired_count, 4);
}

/* A peer that changes ever new nodes: the queue has an end, and the watch is told that there was more. */
static void watch_flood(void)
{
    struct xenbus_watch watch = {.path = "/flood", .fired = note_fired};
    struct xenbus_watch other = {.path = "/quiet", .fired = note_fired};
    char path[32];
    CU_ASSERT_EQUAL(xenbus_watch(&watch), 0);
    CU_ASSERT_EQUAL(xenbus_watch(&other), 0);
    pump();
    fired_count = 0;
    for (unsigned int i = 0; i < 500; i++) {
        snprintf(path, sizeof(path), "/flood/%u", i);
        CU_ASSERT_EQUAL_FATAL(xenbus_write(0, path, "1", 1), 0);
    }
    CU_ASSERT_EQUAL(xenbus_write(0, "/quiet", "1", 1), 0);
    CU_ASSERT_EQUAL(watch.events, XENBUS_WATCH_EVENTS);
    pump();
    CU_ASSERT_EQUAL(fired_count, XENBUS_WATCH_EVENTS + 2);
    CU_ASSERT_STRING_EQUAL(fired_path, "/quiet"); /* behind the flood and what was lost of it */
    CU_ASSERT_EQUAL(watch.events, 0);
    CU_ASSERT_EQUAL(xenbus_write(0, "/flood/again", "1", 1), 0);
    pump();
    CU_ASSERT_STRING_EQUAL(fired_path, "/flood/again");
    for (unsigned int i = 0; i < 100; i++) { /* unregistered with all that waits */
        snprintf(path, sizeof(path), "/flood/%u", i);
        CU_ASSERT_EQUAL(xenbus_write(0, path, "2", 1), 0);
    }
    fired_count = 0;
    xenbus_unwatch(&watch);
    xenbus_unwatch(&other);
    pump();
    CU_ASSERT_EQUAL(fired_count, 0);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/flood"), 0);
}

/* A peer whose changes never end does not keep another watch from hearing that it has lost some. */
static struct xenbus_watch endless;
static unsigned int rounds_left;

static void go_on(struct xenbus_watch *watch, const char *path)
{
    char text[32];
    for (unsigned int i = 0; rounds_left > 0 && i < 2; i++, rounds_left--) {
        snprintf(text, sizeof(text), "/endless/%u", rounds_left);
        CU_ASSERT_EQUAL(xenbus_write(0, text, "1", 1), 0);
    }
    fired_count += strcmp(path, "/endless") != 0;
}

static unsigned int told_after;

static void note_told(struct xenbus_watch *watch, const char *path)
{
    if (strcmp(path, "/flood") == 0) {
        told_after = told_after ? told_after : fired_count;
    }
}

static void missed_has_its_turn(void)
{
    struct xenbus_watch flood = {.path = "/flood", .fired = note_told};
    char path[32];
    endless = (struct xenbus_watch){.path = "/endless", .fired = go_on};
    CU_ASSERT_EQUAL(xenbus_watch(&flood), 0);
    CU_ASSERT_EQUAL(xenbus_watch(&endless), 0);
    pump();
    fired_count = told_after = 0;
    rounds_left = 1000;
    CU_ASSERT_EQUAL(xenbus_write(0, "/endless/0", "1", 1), 0);
    for (unsigned int i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/flood/%u", i);
        CU_ASSERT_EQUAL_FATAL(xenbus_write(0, path, "1", 1), 0);
    }
    pump();
    CU_ASSERT_TRUE(told_after > 0 && told_after <= 2 * XENBUS_WATCH_EVENTS);
    xenbus_unwatch(&flood);
    xenbus_unwatch(&endless);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/flood"), 0);
    CU_ASSERT_EQUAL(xenbus_rm(0, "/endless"), 0);
}

/* Devices ---------------------------------------------------------------------------------------- */
static unsigned int probed;
static unsigned int removed;
static unsigned int changed;
static XenbusState last_state;
static struct xenbus_device *last_device;

static int toy_probe(struct xenbus_device *device)
{
    probed++;
    last_device = device;
    return device->id == 13 ? -XEN_EINVAL : xenbus_device_set_state(device, XenbusStateInitWait);
}

static void toy_changed(struct xenbus_device *device)
{
    changed++;
    last_state = device->peer_state;
}

static void toy_remove(struct xenbus_device *device)
{
    (void)device;
    removed++;
}

static struct xenbus_driver toy = {.type = "toy",
                                   .backend = true,
                                   .probe = toy_probe,
                                   .peer_changed = toy_changed,
                                   .remove = toy_remove};

static void device_write(unsigned int domid, unsigned int id)
{
    char back[96];
    char front[96];
    uint32_t tx;
    snprintf(back, sizeof(back), BACK "/%u/%u", domid, id);
    snprintf(front, sizeof(front), FRONT, domid, id);
    CU_ASSERT_EQUAL(xenbus_transaction_start(&tx), 0);
    CU_ASSERT_EQUAL(xenbus_printf(tx, back, "frontend", "%s", front), 0);
    CU_ASSERT_EQUAL(xenbus_printf(tx, back, "frontend-id", "%u", domid), 0);
    CU_ASSERT_EQUAL(xenbus_printf(tx, back, "state", "1"), 0);
    CU_ASSERT_EQUAL(xenbus_printf(tx, front, "state", "1"), 0);
    CU_ASSERT_EQUAL(xenbus_transaction_end(tx, false), 0);
}

static void counters_reset(void)
{
    probed = removed = changed = 0;
}

static void device_life(void)
{
    counters_reset();
    device_write(5, 1); /* there before the driver */
    CU_ASSERT_EQUAL(xenbus_driver_register(&toy), 0);
    pump();
    CU_ASSERT_EQUAL(probed, 1);
    CU_ASSERT_EQUAL(last_device->peer_domid, 5);
    CU_ASSERT_EQUAL(last_device->id, 1);
    CU_ASSERT_EQUAL(xenbus_read_state(BACK "/5/1"), XenbusStateInitWait);
    CU_ASSERT_EQUAL(changed, 1);
    CU_ASSERT_EQUAL(last_state, XenbusStateInitialising);
    CU_ASSERT_EQUAL(xenbus_write_state("/local/domain/5/device/toy/1", XenbusStateConnected), 0);
    pump();
    CU_ASSERT_EQUAL(last_state, XenbusStateConnected);
    CU_ASSERT_EQUAL(xenbus_printf(0, "/local/domain/5/device/toy/1", "state", "999"), 0);
    pump();
    CU_ASSERT_EQUAL(last_state, XenbusStateUnknown);
    xenbus_device_fail(last_device, -XEN_EIO, "for the %s", "test");
    CU_ASSERT_EQUAL(xenbus_read_state(BACK "/5/1"), XenbusStateClosing);
    char text[32];
    CU_ASSERT_EQUAL(xenbus_read_text("error/backend/toy/5/1", "error", text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(text, "5 for the test");
    CU_ASSERT_EQUAL(removed, 0);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK "/5/1"), 0);
    pump();
    CU_ASSERT_EQUAL(removed, 1);
    CU_ASSERT_EQUAL(probed, 1);
    CU_ASSERT_EQUAL(xenbus_read_text("error/backend/toy/5/1", "error", text, sizeof(text)),
                    -XEN_ENOENT);
}

/* A driver that writes its state after the toolstack's removal does not bring the device back. */
static void device_state_after_removal(void)
{
    counters_reset();
    device_write(4, 1);
    pump();
    CU_ASSERT_EQUAL(probed, 1);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK "/4"), 0);
    CU_ASSERT_EQUAL(xenbus_device_set_state(last_device, XenbusStateClosed), -XEN_ENOENT);
    pump();
    CU_ASSERT_EQUAL(removed, 1);
    CU_ASSERT_EQUAL(xenbus_read_state(BACK "/4/1"), XenbusStateUnknown);
}

static void device_by_pieces(void)
{
    counters_reset();
    CU_ASSERT_EQUAL(xenbus_printf(0, BACK "/6/2", "state", "1"), 0);
    pump();
    CU_ASSERT_EQUAL(xenbus_printf(0, BACK "/6/2", "frontend", FRONT, 6U, 2U), 0);
    pump();
    CU_ASSERT_EQUAL(probed, 0);
    CU_ASSERT_EQUAL(xenbus_printf(0, BACK "/6/2", "frontend-id", "6"), 0);
    pump();
    CU_ASSERT_EQUAL(probed, 1);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK "/6"), 0); /* the domain's whole part */
    pump();
    CU_ASSERT_EQUAL(removed, 1);
}

static void device_many(void)
{
    counters_reset();
    for (unsigned int domid = 10; domid < 60; domid++) {
        device_write(domid, 0);
        device_write(domid, 1);
    }
    pump();
    CU_ASSERT_EQUAL(probed, 100);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK "/20"), 0);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK "/21/1"), 0);
    pump();
    CU_ASSERT_EQUAL(removed, 3);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK), 0);
    pump();
    CU_ASSERT_EQUAL(removed, 100);
    CU_ASSERT_EQUAL(probed, 100);
}

/* A front end that makes its device fail again and again is served so often and no more. */
static void device_failing(void)
{
    counters_reset();
    device_write(9, 1);
    pump();
    for (unsigned int i = 0; i < XENBUS_FAILURES_MAX; i++) {
        xenbus_device_fail(last_device, -XEN_EIO, "again");
        changed = 0;
        CU_ASSERT_EQUAL(xenbus_write_state("/local/domain/9/device/toy/1", XenbusStateInitialising),
                        0);
        pump();
        CU_ASSERT_EQUAL(changed, i + 1 < XENBUS_FAILURES_MAX);
        CU_ASSERT_EQUAL(xenbus_device_set_state(last_device, XenbusStateClosed), 0);
    }
    CU_ASSERT_EQUAL(xenbus_write_state("/local/domain/9/device/toy/1", XenbusStateClosed), 0);
    pump();
    CU_ASSERT_EQUAL(changed, 1); /* it may close */
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK "/9"), 0);
    pump();
    CU_ASSERT_EQUAL(removed, 1);
}

static void device_nonsense(void)
{
    char text[300];
    counters_reset();
    memset(text, 'x', sizeof(text));
    text[0] = '/';
    text[sizeof(text) - 1] = '\0';
    CU_ASSERT_EQUAL(xenbus_write(0, BACK "/7/1/frontend", text, sizeof(text) - 1), 0);
    CU_ASSERT_EQUAL(xenbus_printf(0, BACK "/7/1", "frontend-id", "7"), 0);
    CU_ASSERT_EQUAL(xenbus_printf(0, BACK "/7/2", "frontend", "/f"), 0);
    CU_ASSERT_EQUAL(xenbus_printf(0, BACK "/7/2", "frontend-id", "32752"), 0);
    text[200] = '\0';
    memcpy(text, BACK "/7/", strlen(BACK "/7/"));
    CU_ASSERT_EQUAL(xenbus_printf(0, text, "frontend", "/f"), 0);
    CU_ASSERT_EQUAL(xenbus_printf(0, text, "frontend-id", "7"), 0);
    pump();
    CU_ASSERT_EQUAL(probed, 0);
    device_write(8, 13); /* the driver refuses */
    pump();
    CU_ASSERT_EQUAL(probed, 1);
    CU_ASSERT_EQUAL(xenbus_read_state(BACK "/8/13"), XenbusStateClosed);
    CU_ASSERT_EQUAL(xenbus_rm(0, BACK), 0);
    pump();
    CU_ASSERT_EQUAL(removed, 0);
}

static void detach(void)
{
    xenbus_disconnected();
    CU_ASSERT_EQUAL(xenbus_write(0, "/a", "b", 1), -XEN_EIO);
    xenstore_destroy(&store);
}

static const struct report_case cases[] = {
    REPORT_CASE(attach),           REPORT_CASE(nodes),
    REPORT_CASE(transactions),     REPORT_CASE(directories),
    REPORT_CASE(permissions),      REPORT_CASE(watches),
    REPORT_CASE(watch_flood),      REPORT_CASE(missed_has_its_turn),
    REPORT_CASE(device_life),      REPORT_CASE(device_state_after_removal),
    REPORT_CASE(device_by_pieces), REPORT_CASE(device_many),
    REPORT_CASE(device_failing),   REPORT_CASE(device_nonsense),
    REPORT_CASE(detach),
};

int main(void)
{
    return report_run("xenbus", cases, sizeof(cases) / sizeof(cases[0]));
}
