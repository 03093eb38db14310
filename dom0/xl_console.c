// SPDX-License-Identifier: MIT
/* xl console: the terminal shows a guest's console. ^C is the guest's meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "dom0/guest_console.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define DETACH 0x1d /* ^] */
#define INPUT_POLL_NS (20 * NSEC_PER_MSEC)

static bool attached;

bool xl_console_attached(void)
{
    return attached;
}

/* Passes text both ways until the guest has ended and all is shown, or ^] is typed. */
static void relay(struct guest_console *console)
{
    char text[256];
    uint64_t position = 0;
    size_t length;

    for (;;) {
        bool open = guest_console_is_open(console);
        uint64_t before = position;
        while ((length = guest_console_read(console, &position, text, sizeof(text))) > 0) {
            console_write(text, length);
        }
        if (!open) {
            if (position == before) {
                return;
            }
            continue;
        }
        length = console_read(text, sizeof(text));
        char *detach = memchr(text, DETACH, length);
        guest_console_write(console, text, detach ? (size_t)(detach - text) : length);
        if (detach) {
            console_print("\n");
            return;
        }
        wait_event_timeout(guest_console_queue(console),
                           guest_console_has_text(console, position) ||
                               !guest_console_is_open(console),
                           INPUT_POLL_NS);
    }
}

int xl_console_attach(const struct xl_arguments *arguments, const char *name)
{
    struct guest_console *console = guest_console_find(name);

    if (!console) {
        return xl_fail(arguments, "%s is an invalid domain identifier", name);
    }
    console_interrupt_release();
    attached = true;
    relay(console);
    attached = false;
    console_interrupt_catch();
    return 0;
}

int xl_console(struct xl_arguments *arguments)
{
    const char *name = arguments->argv[0];
    const char *type = xl_option_value(arguments, 't'), *number = xl_option_value(arguments, 'n');
    char *end = NULL;

    if (type && strcmp(type, "pv") != 0) {
        bool known = strcmp(type, "serial") == 0 || strcmp(type, "vuart") == 0;
        return known ? xl_fail(arguments, "PV guests have no %s console", type)
                     : xl_fail(arguments, "console type supported are: pv");
    }
    if (number && (strtoul(number, &end, 10) != 0 || end == number || *end)) {
        return xl_fail(arguments, "there is no console %s: guests have one, 0", number);
    }
    if (strcmp(name, "0") == 0 || strcmp(name, "Domain-0") == 0) {
        return xl_fail(arguments, "Unable to attach console: this is domain 0's");
    }
    return xl_console_attach(arguments, name);
}
