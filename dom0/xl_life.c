// SPDX-License-Identifier: MIT
/*
 * The commands of xl that change a domain's life, with their waits: destroy, shutdown, reboot, pause,
 * unpause; and domid, domname. A wait ends by what it waits for, however long that takes, or by ^C.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>

#include "dom0/domain_death.h"
#include "dom0/domain_past.h"
#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/power.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/thread.h"

/* What a command that changes one domain prints in --json. */
static int finish(const struct xl_arguments *arguments, domid_t domid, int rc)
{
    if (arguments->json) {
        struct json json = JSON_INIT;
        json_open(&json, NULL, '{');
        json_number(&json, "domid", domid);
        json_string(&json, "result", rc ? errno_name(rc) : "OK");
        if (rc) {
            json_string(&json, "error", errno_name(rc));
        }
        json_close(&json, '}');
    } else if (rc) {
        xl_fail(arguments, "xl %s: domain %u: %s", arguments->command->name, domid, errno_name(rc));
    }
    return rc ? 1 : 0;
}

int xl_destroy(struct xl_arguments *arguments)
{
    struct xl_target target;
    int rc;

    if (!domain_find_name(arguments->argv[0]) && domain_restart_cancel(arguments->argv[0])) {
        if (arguments->json) {
            struct json json = JSON_INIT;
            json_open(&json, NULL, '{');
            json_string(&json, "result", "OK");
            json_close(&json, '}');
        }
        return 0;
    }
    if (!xl_target(arguments, 0, &target)) {
        return 1;
    }
    if (target.domid == 0 && !xl_option_count(arguments, 'f')) {
        return xl_fail(arguments, "Cannot destroy privileged domain 0.");
    }
    rc = target.domain ? domain_destroy_wait(target.domain) : domctl_destroy(target.domid);
    if (rc == -XEN_EAGAIN) {
        xl_fail(arguments, "xl destroy: domain %u is destroyed, but others still hold its memory",
                target.domid);
        return XL_INTERRUPTED;
    }
    return finish(arguments, target.domid, rc);
}

/* --- shutdown, reboot ------------------------------------------------------------------------ */

/* A domain that is waited for. Its record may go at any time, hence the serial. */
struct awaited {
    domid_t domid;
    uint64_t serial;
    bool told; /* that it has shut down */
    bool done;
};

struct stop {
    const struct xl_arguments *arguments;
    const char *word;  /* "poweroff", "reboot" */
    unsigned int wait; /* 1: until they have stopped, 2: until they are gone */
    struct awaited *awaited;
    unsigned int count;
};

/* Looks at one, and says what is new; true when its wait is over. */
static bool awaited_look(const struct stop *stop, struct awaited *one)
{
    const struct domain *domain = domain_find(one->domid);
    const struct domain_past *past = NULL;
    bool shut_down = false;
    unsigned int reason = 0;

    if (domain && domain->serial == one->serial) {
        shut_down = domain->shut_down;
        reason = domain->reason;
    } else {
        past = domain_past_by_serial(one->serial);
        domain = NULL;
        shut_down = past && past->shut_down;
        reason = past ? past->reason : 0;
    }
    if (shut_down && !one->told && !stop->arguments->json) {
        printf("Domain %u has been shut down, reason code %u\n", one->domid, reason);
    }
    one->told |= shut_down;
    one->done = !domain || (shut_down && stop->wait == 1);
    if (one->done && (!shut_down || stop->wait > 1) && !stop->arguments->json) {
        printf("Domain %u has been destroyed\n", one->domid);
    }
    return one->done;
}

static unsigned int awaited_left(const struct stop *stop)
{
    unsigned int left = 0;

    for (unsigned int i = 0; i < stop->count; i++) {
        left += !stop->awaited[i].done && !awaited_look(stop, &stop->awaited[i]);
    }
    return left;
}

static int stop_wait(const struct stop *stop)
{
    const char *what = stop->wait > 1 ? "go" : "shut down";

    if (!stop->arguments->json) {
        printf("Waiting for %u domain%s to %s (^C ends the wait)\n", stop->count,
               stop->count == 1 ? "" : "s", what);
    }
    wait_event(domain_queue(), awaited_left(stop) == 0 || console_interrupted());
    if (awaited_left(stop) == 0) {
        return 0;
    }
    xl_fail(stop->arguments, "xl %s: interrupted: %u of %u did not %s yet",
            stop->arguments->command->name, awaited_left(stop), stop->count, what);
    return XL_INTERRUPTED;
}

/* Asks one, and notes that it is waited for. One that has stopped already need not be asked. */
static int stop_ask(struct stop *stop, struct domain *domain)
{
    struct awaited one = {.domid = domain->domid, .serial = domain->serial};
    int rc = domain->shut_down ? 0 : domain_request(domain, stop->word);

    if (!stop->arguments->json) {
        printf("%s domain %u\n", stop->word[0] == 'p' ? "Shutting down" : "Rebooting", one.domid);
    }
    if (rc == 0) {
        stop->awaited[stop->count++] = one;
    }
    return rc;
}

static int stop_ask_all(struct stop *stop)
{
    int rc = 0;
    unsigned int serials = 0;

    for (struct domain *domain = domain_iterate(NULL); domain; domain = domain_iterate(domain)) {
        serials++;
    }
    stop->awaited = calloc(serials + 1, sizeof(*stop->awaited));
    if (!stop->awaited) {
        return -XEN_ENOMEM;
    }
    /* Writing to the store lets others run: what a domain is followed by is looked up by number. */
    for (domid_t next = 0; stop->count <= serials && !console_interrupted();) {
        struct domain *domain = domain_from(next);
        if (!domain || stop->count == serials) {
            break;
        }
        next = domain->domid + 1;
        int failed = stop_ask(stop, domain);
        rc = rc ? rc : failed;
    }
    return rc;
}

/* Domain 0 is this: its guests go first, as with the shell's halt. */
static int stop_machine(const struct stop *stop)
{
    domain_destroy_all();
    if (console_interrupted()) {
        return XL_INTERRUPTED;
    }
    if (stop->word[0] == 'p') {
        power_off();
    }
    power_reboot();
}

static int stop_named(struct stop *stop)
{
    struct xl_target target;

    if (stop->arguments->argc == 0) {
        xl_fail(stop->arguments, "You must specify -a or a domain id.");
        return 1;
    }
    if (!xl_target(stop->arguments, 0, &target)) {
        return 1;
    }
    if (target.domid == 0) {
        return stop_machine(stop);
    }
    if (!target.domain) {
        return xl_fail(stop->arguments, "domain %u is dying", target.domid);
    }
    stop->awaited = calloc(1, sizeof(*stop->awaited));
    int rc = stop->awaited ? stop_ask(stop, target.domain) : -XEN_ENOMEM;
    int status = rc == 0 && stop->wait ? stop_wait(stop) : 0;
    return status ? status : finish(stop->arguments, target.domid, rc);
}

static void stop_json(const struct stop *stop, int rc)
{
    struct json json = JSON_INIT;

    json_open(&json, NULL, '{');
    json_open(&json, "domids", '[');
    for (unsigned int i = 0; i < stop->count; i++) {
        json_number(&json, NULL, stop->awaited[i].domid);
    }
    json_close(&json, ']');
    json_string(&json, "result", rc ? errno_name(rc) : "OK");
    json_close(&json, '}');
}

static int stop_all(struct stop *stop)
{
    int rc = stop_ask_all(stop);
    int status = stop->wait && stop->count > 0 ? stop_wait(stop) : 0;

    if (status) {
        return status;
    }
    if (stop->arguments->json) {
        stop_json(stop, rc);
    } else if (rc) {
        xl_fail(stop->arguments, "xl %s: %s", stop->arguments->command->name, errno_name(rc));
    }
    return rc ? 1 : 0;
}

static int stop_run(struct xl_arguments *arguments, const char *word)
{
    struct stop stop = {
        .arguments = arguments,
        .word = word,
        .wait = xl_option_count(arguments, 'w'),
    };
    int status = xl_option_count(arguments, 'a') ? stop_all(&stop) : stop_named(&stop);

    free(stop.awaited);
    return status;
}

int xl_shutdown(struct xl_arguments *arguments)
{
    return stop_run(arguments, "poweroff");
}

int xl_reboot(struct xl_arguments *arguments)
{
    return stop_run(arguments, "reboot");
}

static bool name_is_up(const char *name)
{
    const struct domain *domain = domain_find_exact(name);

    return (domain && !domain->stopped) || domain_restart_is_due(name);
}

bool xl_wait_for_end(const char *name)
{
    wait_event(domain_queue(), !name_is_up(name) || console_interrupted());
    return !name_is_up(name);
}

/* --- others ---------------------------------------------------------------------------------- */

int xl_pause(struct xl_arguments *arguments)
{
    struct xl_target target;

    return xl_target(arguments, 0, &target)
               ? finish(arguments, target.domid, domctl_pause(target.domid))
               : 1;
}

int xl_unpause(struct xl_arguments *arguments)
{
    struct xl_target target;

    return xl_target(arguments, 0, &target)
               ? finish(arguments, target.domid, domctl_unpause(target.domid))
               : 1;
}

int xl_domid(struct xl_arguments *arguments)
{
    struct xl_target target;

    if (!xl_target(arguments, 0, &target)) {
        return 1;
    }
    if (arguments->json) {
        return finish(arguments, target.domid, 0);
    }
    printf("%u\n", target.domid);
    return 0;
}

int xl_domname(struct xl_arguments *arguments)
{
    struct xl_target target;

    if (!xl_target(arguments, 0, &target)) {
        return 1;
    }
    if (arguments->json) {
        struct json json = JSON_INIT;
        json_open(&json, NULL, '{');
        json_string(&json, "name", target.name);
        json_close(&json, '}');
    } else {
        printf("%s\n", target.name);
    }
    return 0;
}
