// SPDX-License-Identifier: MIT
/*
 * The start of a guest, in order. entry.S calls start_main on the boot stack with upcalls masked;
 * the services come up one on another; then the first thread runs the application's main.
 */
#include <stdlib.h>
#include <reent.h>
#include <stdint.h>
#include <string.h>
#include <xen/sched.h>
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/init.h"
#include "pvguest/memory_private.h"
#include "pvguest/priv.h"
#include "pvguest/start.h"
#include "pvguest/trap.h"

#define ARGUMENTS_MAX 32

int main(int argc, char **argv);

struct start_info *start_info_page;
const char *const program_name __attribute__((weak)) = "pvguest";

bool start_is_dom0(void)
{
    return (start_info_page->flags & SIF_INITDOMAIN) != 0;
}

/* An unbound port for ourselves names us in its status. */
domid_t start_domid(void)
{
    static domid_t self = DOMID_INVALID;
    if (self == DOMID_INVALID) {
        int port = event_alloc_unbound(DOMID_SELF, NULL, NULL);
        struct evtchn_status status = {.dom = DOMID_SELF, .port = (evtchn_port_t)port};
        if (port > 0 && hypercall_event_channel_op(EVTCHNOP_status, &status) == 0) {
            self = status.u.unbound.dom;
        }
        event_unbind((evtchn_port_t)port);
    }
    return self;
}

int start_module(void **base, size_t *length)
{
    const struct start_info *info = start_info_page;
    if (info->mod_len == 0) {
        return -XEN_ENOENT;
    }
    *base = (void *)info->mod_start;
    *length = info->mod_len;
    return 0;
}

const char *start_command_line(void)
{
    return (const char *)start_info_page->cmd_line;
}

/* Words are split at blanks outside of double quotes, in place; the quotes go away. */
static int command_line_split(char *text, char **words, int max)
{
    int count = 0;
    while (count < max) {
        text += strspn(text, " \t");
        if (*text == '\0') {
            break;
        }
        char *to = text;
        bool quoted = false;
        words[count++] = to;
        for (; *text != '\0' && (quoted || (*text != ' ' && *text != '\t')); text++) {
            if (*text == '"') {
                quoted = !quoted;
            } else {
                *to++ = *text;
            }
        }
        text += *text != '\0';
        *to = '\0';
    }
    return count;
}

static char *arguments[ARGUMENTS_MAX + 2];
static int argument_count;

static void arguments_start(void)
{
    static char text[MAX_GUEST_CMDLINE];

    memcpy(text, start_info_page->cmd_line, sizeof(text) - 1);
    arguments[0] = (char *)(uintptr_t)program_name;
    argument_count = 1 + command_line_split(text, &arguments[1], ARGUMENTS_MAX);
}

const char *start_option(const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], name, length) == 0) {
            char end = arguments[i][length];
            if (end == '=' || end == '\0') {
                return &arguments[i][length + (end == '=')];
            }
        }
    }
    return NULL;
}

_Noreturn void start_shutdown(unsigned int reason)
{
    priv_shutdown(reason);
}

static void constructors_run(void)
{
    extern void (*const __init_array_start[])(void), (*const __init_array_end[])(void);
    for (void (*const *function)(void) = __init_array_start; function < __init_array_end;
         function++) {
        (*function)();
    }
}

/* newlib's own: makes the standard streams, which all threads share (thread.c). */
extern void __sinit(struct _reent *reent);

static void first_thread(void *arg)
{
    (void)arg;
    __sinit(_GLOBAL_REENT);
    grant_start();
    console_start();
    control_start();
    constructors_run();
    exit(main(argument_count, arguments));
}

_Noreturn void start_main(struct start_info *info)
{
    start_info_page = info;
    priv_start(info);
    event_start();
    memory_start(info);
    console_start_early();
    memory_protect_image();
    page_start();
    time_start();
    arguments_start();
    event_restore(0);
    thread_start(first_thread, NULL);
}
