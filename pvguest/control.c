// SPDX-License-Identifier: MIT
/*
 * Requests of the toolstack to this guest: "poweroff", "reboot", "halt" or "crash" in the node
 * control/shutdown. The guest takes the request by emptying the node, then stops. Source: Xen's
 * docs/misc/xenstore-paths.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/sched.h>
#include "pvguest/console.h"
#include "pvguest/init.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus.h"

#define NODE "control/shutdown"

static void request_look(struct xenbus_watch *watch, const char *path)
{
    static const struct {
        const char *word;
        unsigned int reason;
    } requests[] = {
        {"poweroff", SHUTDOWN_poweroff},
        {"halt",     SHUTDOWN_poweroff},
        {"reboot",   SHUTDOWN_reboot  },
        {"crash",    SHUTDOWN_crash   },
    };
    char word[16];

    (void)watch, (void)path;
    if (xenbus_read_text(NODE, NULL, word, sizeof(word)) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (strcmp(word, requests[i].word) == 0) {
            (void)xenbus_write(XENBUS_NO_TRANSACTION, NODE, "", 0);
            console_printf("%s was requested\n", word);
            start_shutdown(requests[i].reason);
        }
    }
}

/* In a thread of its own: the store's server may be slow, and the application need not wait. */
static void control_thread(void *arg)
{
    static struct xenbus_watch watch = {.path = NODE, .fired = request_look};

    (void)arg;
    (void)xenbus_watch(&watch);
}

void control_start(void)
{
    if (!start_is_dom0() && start_info_page->store_evtchn != 0) {
        (void)thread_create("control", control_thread, NULL);
    }
}
