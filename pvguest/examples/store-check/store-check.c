// SPDX-License-Identifier: MIT
/*
 * Uses the store as any guest can: libxenstore's calls below the guest's own node, and what the
 * permissions do not let it do. One line a case, the number of failures at the end.
 *
 * With hostile=KIND on its command line it misuses the pages that it shares with dom0 instead, and
 * stays: store (an index that is out of range), length (a message that is too long), replies (many
 * requests whose answers it never takes), console (an index that is out of range).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/console.h>
#include <xenstore.h>

#include "pvguest/event.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

static struct xs_handle *xs;
static unsigned int passed, failed;

static void check(bool good, const char *name)
{
    passed += good;
    failed += !good;
    if (good) {
        printf("PASS store/%s\n", name);
    } else {
        printf("FAIL store/%s: %s\n", name, strerror(errno));
    }
}

static bool write_text(xs_transaction_t t, const char *path, const char *text)
{
    return xs_write(xs, t, path, text, (unsigned int)strlen(text));
}

static bool reads(xs_transaction_t t, const char *path, const char *text)
{
    unsigned int length = 0;
    char *value = xs_read(xs, t, path, &length);
    bool same = value && length == strlen(text) && strcmp(value, text) == 0;
    free(value);
    return same;
}

static void nodes(void)
{
    unsigned int count = 0;
    char path[32];

    check(reads(XBT_NULL, "name", "store-check"), "own-name");
    check(write_text(XBT_NULL, "data/a/b", "hello"), "write");
    check(reads(XBT_NULL, "data/a/b", "hello"), "read");
    check(xs_mkdir(xs, XBT_NULL, "data/a/dir"), "mkdir");
    check(xs_rm(xs, XBT_NULL, "data/a/b") && !reads(XBT_NULL, "data/a/b", "hello"), "rm");
    for (unsigned int i = 0; i < 400; i++) {
        snprintf(path, sizeof(path), "data/many/child-%04u", i);
        write_text(XBT_NULL, path, "");
    }
    char **names = xs_directory(xs, XBT_NULL, "data/many", &count);
    check(names && count == 400 && strcmp(names[399], "child-0399") == 0, "directory-in-parts");
    free(names);
    xs_rm(xs, XBT_NULL, "data/many");
}

static void refused(void)
{
    errno = 0;
    check(!write_text(XBT_NULL, "name", "root") && errno == EACCES, "not-its-own-name");
    errno = 0;
    check(!write_text(XBT_NULL, "/local/domain/0/name", "x") && errno == EACCES, "not-dom0");
    errno = 0;
    check(!xs_read(xs, XBT_NULL, "/vm", NULL) && errno == EACCES, "not-others");
    errno = 0;
    check(!xs_introduce_domain(xs, 1, 1, 1) && errno == EACCES, "not-introduce");
    errno = 0;
    check(!write_text(XBT_NULL, "data//x", "") && errno == EINVAL, "bad-path");
}

static void permissions(void)
{
    unsigned int count = 0;
    struct xs_permissions *own = xs_get_permissions(xs, XBT_NULL, "data", &count);
    struct xs_permissions set[2];

    check(own && count == 1, "get-permissions");
    if (own) {
        set[0] = own[0];
        set[1] = (struct xs_permissions){0, XS_PERM_READ};
        check(xs_set_permissions(xs, XBT_NULL, "data/a", set, 2), "set-permissions");
        set[0].id = 0;
        errno = 0;
        check(!xs_set_permissions(xs, XBT_NULL, "data/a", set, 2) && errno == EPERM,
              "not-given-away");
    }
    free(own);
}

static void transactions(void)
{
    xs_transaction_t t = xs_transaction_start(xs);

    check(t != XBT_NULL, "transaction-start");
    check(write_text(t, "data/t", "1") && !reads(XBT_NULL, "data/t", "1"), "transaction-hidden");
    check(xs_transaction_end(xs, t, false) && reads(XBT_NULL, "data/t", "1"), "transaction-commit");
    t = xs_transaction_start(xs);
    check(reads(t, "data/t", "1") && write_text(XBT_NULL, "data/t", "2") &&
              write_text(t, "data/u", "1"),
          "transaction-overtaken");
    errno = 0;
    check(!xs_transaction_end(xs, t, false) && errno == EAGAIN, "transaction-conflict");
    t = xs_transaction_start(xs);
    check(write_text(t, "data/t", "3") && xs_transaction_end(xs, t, true) &&
              reads(XBT_NULL, "data/t", "2"),
          "transaction-abort");
}

static bool event_is(const char *path, const char *token)
{
    unsigned int count;
    char **event = xs_read_watch(xs, &count);
    bool is = event && strcmp(event[XS_WATCH_PATH], path) == 0 &&
              strcmp(event[XS_WATCH_TOKEN], token) == 0;
    free(event);
    return is;
}

static void watches(void)
{
    check(xs_watch(xs, "data/w", "token") && event_is("data/w", "token"), "watch-first-event");
    check(write_text(XBT_NULL, "data/w/below", "1") && event_is("data/w/below", "token"),
          "watch-event");
    errno = 0;
    check(!xs_watch(xs, "data/w", "token") && errno == EEXIST, "watch-twice");
    check(xs_check_watch(xs) == NULL && errno == EAGAIN, "watch-nothing");
    check(xs_unwatch(xs, "data/w", "token"), "unwatch");
    errno = 0;
    check(!xs_unwatch(xs, "data/w", "token") && errno == ENOENT, "unwatch-twice");
}

/* Puts as much of a request as fits, whatever else happens on the ring. */
static void request_put(struct xenstore_domain_interface *ring, const void *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        while (ring->req_prod - ring->req_cons >= XENSTORE_RING_SIZE) {
            event_send(start_info_page->store_evtchn);
            thread_sleep(NSEC_PER_MSEC);
            if (ring->error != XENSTORE_ERROR_NONE || ring->rsp_prod - ring->rsp_cons > 1000) {
                return;
            }
        }
        ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = ((const char *)bytes)[i];
        ring->req_prod++;
    }
}

static void misuse(const char *kind)
{
    struct xenstore_domain_interface *ring = mfn_to_virt(start_info_page->store_mfn);
    struct xencons_interface *console = mfn_to_virt(start_info_page->console.domU.mfn);
    struct xsd_sockmsg request = {.type = XS_DIRECTORY, .len = 2};

    thread_sleep(100 * NSEC_PER_MSEC); /* what start-up has sent is answered */
    printf("misuse: %s\n", kind);
    if (strcmp(kind, "store") == 0) {
        ring->req_prod += 5000;
    } else if (strcmp(kind, "length") == 0) {
        request.len = XENSTORE_PAYLOAD_MAX + 1;
        request_put(ring, &request, sizeof(request));
    } else if (strcmp(kind, "replies") == 0) {
        event_attach(start_info_page->store_evtchn, NULL, NULL);
        for (unsigned int i = 0; i < 2000; i++) {
            request_put(ring, &request, sizeof(request));
            request_put(ring, "/", 2);
        }
    } else if (strcmp(kind, "console") == 0) {
        console->out_prod += 5000;
        event_send(start_info_page->console.domU.evtchn);
    }
    event_send(start_info_page->store_evtchn);
    thread_sleep(1000 * NSEC_PER_SEC);
}

int main(void)
{
    if (start_option("hostile")) {
        misuse(start_option("hostile"));
        return 0;
    }
    xs = xs_open(0);
    check(xs != NULL, "open");
    if (xs) {
        char *path = xs_get_domain_path(xs, 7);
        check(path && strcmp(path, "/local/domain/7") == 0, "domain-path");
        free(path);
        nodes();
        refused();
        permissions();
        transactions();
        watches();
        xs_close(xs);
    }
    printf("RESULT %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
