// SPDX-License-Identifier: MIT
#include "dom0/domain_death.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>

#include "dom0/blkback.h"
#include "dom0/domain_past.h"
#include "dom0/domain_store.h"
#include "dom0/domctl.h"
#include "dom0/guest_console.h"
#include "dom0/xenstore_service.h"
#include "hypercalls/paravane.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define GONE_WAIT_NS (5 * NSEC_PER_SEC)
#define RESTART_MIN_NS NSEC_PER_SEC /* a guest that stops sooner waits before it is restarted */
#define REMNANTS_MAX 4U             /* of one name, before it is restarted once more */

static struct xs_handle *xs;
static void (*notice_print)(const char *line);
static struct domain *remnants; /* newest first */
static struct wait_queue deaths;
static volatile bool death_wanted;
static struct wait_queue changes;

struct wait_queue *domain_queue(void)
{
    return &changes;
}

static void notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void notice(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    notice_print(line);
}

/* --- what is left of domains ------------------------------------------------------------------- */

struct domain *domain_remnant_iterate(struct domain *previous)
{
    return previous ? previous->next : remnants;
}

static bool remnant_exists(uint64_t serial)
{
    struct domain *domain = remnants;

    while (domain && domain->serial != serial) {
        domain = domain->next;
    }
    return domain;
}

static unsigned int remnants_of(const char *name)
{
    unsigned int count = 0;

    for (struct domain *domain = remnants; domain; domain = domain->next) {
        count += strcmp(domain->config.name, name) == 0;
    }
    return count;
}

static void remnant_put_away(struct domain **slot)
{
    struct domain *domain = *slot;

    *slot = domain->next;
    xenstore_service_release(domain->domid, true);
    xl_config_free(&domain->config);
    free(domain);
    wake_up(&changes);
}

void domain_remnant_finish(domid_t domid)
{
    for (struct domain **slot = &remnants; *slot; slot = &(*slot)->next) {
        if ((*slot)->domid == domid) {
            remnant_put_away(slot);
            return;
        }
    }
}

/* Asks for the list, not for the domain itself: asking for what is gone would be logged as a fault. */
static bool hypervisor_has(domid_t domid)
{
    struct xen_domctl_getdomaininfo info;
    int count = sysctl_list_domains(domid, &info, 1);

    return count < 0 || (count == 1 && info.domain == domid);
}

/* Nothing in here lets another thread run. */
static void remnants_look(void)
{
    struct domain **slot = &remnants;

    while (*slot) {
        if (hypervisor_has((*slot)->domid)) {
            slot = &(*slot)->next;
        } else {
            remnant_put_away(slot);
        }
    }
}

/* --- destruction ------------------------------------------------------------------------------- */

int domain_destroy(struct domain *domain)
{
    const domid_t domid = domain->domid;
    int rc;

    if (domain->dying) {
        return -XEN_EBUSY;
    }
    domain->dying = true;
    domctl_pause(domid);
    guest_console_close(domid);
    domain_past_keep(domain);
    rc = domctl_destroy(domid);
    if (rc) {
        domain->dying = false;
        return rc;
    }
    xenstore_service_release(domid, false);
    domain_store_remove(xs, domid, domain->uuid);
    domain_unlink(domain);
    domain->next = remnants;
    remnants = domain;
    if (!hypervisor_has(domid)) { /* its event may have come before there was a remnant */
        domain_remnant_finish(domid);
    }
    wake_up(&changes);
    return 0;
}

int domain_destroy_wait(struct domain *domain)
{
    const uint64_t serial = domain->serial;
    int rc = domain_destroy(domain);

    if (rc || wait_event_timeout(&changes, !remnant_exists(serial) || console_interrupted(),
                                 GONE_WAIT_NS)) {
        return rc ? rc : remnant_exists(serial) ? -XEN_EAGAIN : 0;
    }
    return -XEN_EBUSY;
}

/* --- restarts -------------------------------------------------------------------------------------- */

static enum xl_action action_of(const struct domain *domain, unsigned int reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        return domain->config.on_poweroff;
    case SHUTDOWN_reboot:
        return domain->config.on_reboot;
    case SHUTDOWN_crash:
        return domain->config.on_crash;
    case SHUTDOWN_watchdog:
        return domain->config.on_watchdog;
    case SHUTDOWN_soft_reset:
        return domain->config.on_soft_reset;
    case SHUTDOWN_suspend: /* it waits to be resumed */
        return XL_PRESERVE;
    default:
        notice("xl: Unknown shutdown reason code %u. Destroying domain.", reason);
        return XL_DESTROY;
    }
}

/* The old domain keeps what there is to see, under another name and UUID; what can be only one domain's is
 * free for the new one. */
static void domain_rename(struct domain *domain)
{
    char name[XL_NAME_MAX + 8];
    uint8_t old[16];

    snprintf(name, sizeof(name), "%s-%u", domain->config.name, domain->domid);
    if (domain_find_exact(name) || !xl_config_rename(&domain->config, name)) {
        return; /* the new one then says that the name is in use */
    }
    domain->config.disk_count = domain->config.vif_count = 0;
    memcpy(old, domain->uuid, sizeof(old));
    domain_uuid_make(domain->uuid);
    memcpy(domain->config.uuid, domain->uuid, sizeof(domain->uuid));
    int rc = domain_store_rename(xs, domain->domid, name, old, domain->uuid);
    if (rc) {
        notice("xl: the store does not know %s by its new name: %s", name, errno_name(rc));
    }
}

/* A domain that is to be made again, after a moment if the last one did not live long. */
struct restart {
    struct restart *next;
    struct xl_config config;
    domid_t former; /* the number that it had; DOMID_INVALID: the old one stays */
    uint64_t delay_ns;
    bool cancelled;
};
static struct restart *restarts;

static void restart_free(struct restart *restart)
{
    struct restart **slot = &restarts;

    while (*slot != restart) {
        slot = &(*slot)->next;
    }
    *slot = restart->next;
    xl_config_free(&restart->config);
    free(restart);
    wake_up(&changes);
}

/* Writes on their way to its disks come before its successor reads. Somebody who keeps the pages of all
 * its incarnations would take the host's memory, one after the other. */
static void restart_wait(struct restart *restart)
{
    const char *name = restart->config.name;

    thread_sleep(restart->delay_ns);
    wait_event(blkback_queue(), !blkback_serves(restart->former));
    if (!restart->cancelled && remnants_of(name) > REMNANTS_MAX) {
        notice("xl: %s is restarted when others let go of its memory: %u of it are left", name,
               remnants_of(name));
    }
    wait_event(&changes, restart->cancelled || remnants_of(name) <= REMNANTS_MAX);
}

/* In a thread of its own: the deaths of others do not wait for it. */
static void restart_thread(void *arg)
{
    struct restart *restart = arg;
    struct domain_error error;
    domid_t domid;

    restart_wait(restart);
    if (restart->cancelled) {
        notice("xl: %s is not restarted", restart->config.name);
    } else if (domain_create(&restart->config, 0, &domid, &error)) {
        notice("xl: cannot restart %s: %s", restart->config.name, error.text);
    } else {
        notice("xl: %s runs again as domain %u", restart->config.name, domid);
    }
    restart_free(restart);
}

bool domain_restart_cancel(const char *name)
{
    for (struct restart *restart = restarts; restart; restart = restart->next) {
        if (!restart->cancelled && strcmp(restart->config.name, name) == 0) {
            restart->cancelled = true;
            wake_up(&changes);
            return true;
        }
    }
    return false;
}

bool domain_restart_is_due(const char *name)
{
    for (struct restart *restart = restarts; restart; restart = restart->next) {
        if (!restart->cancelled && strcmp(restart->config.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void restarts_cancel(void)
{
    for (struct restart *restart = restarts; restart; restart = restart->next) {
        restart->cancelled = true;
    }
    wake_up(&changes);
}

/* The first that nobody else is destroying. */
static struct domain *living_find(void)
{
    struct domain *domain = domain_iterate(NULL);

    while (domain && domain->dying) {
        domain = domain_iterate(domain);
    }
    return domain;
}

int domain_destroy_all(void)
{
    struct domain *domain;
    int rc = 0;

    restarts_cancel();
    while (rc == 0 && (domain = living_find()) != NULL) {
        rc = domain_destroy(domain);
    }
    if (rc ||
        wait_event_timeout(&changes, (!remnants && !domain_iterate(NULL)) || console_interrupted(),
                           GONE_WAIT_NS)) {
        return rc ? rc : console_interrupted() ? -XEN_EAGAIN : 0;
    }
    return -XEN_EBUSY;
}

static void restart(struct domain *domain, bool keep)
{
    struct restart *restart = calloc(1, sizeof(*restart));
    uint64_t lived = time_now() - domain->started;

    if (restart) {
        restart->config = xl_config_copy(&domain->config);
        restart->former = keep ? DOMID_INVALID : domain->domid;
        restart->delay_ns = lived < RESTART_MIN_NS ? RESTART_MIN_NS - lived : 0;
        restart->next = restarts;
        restarts = restart;
    }
    if (keep) {
        domain->stopped = true;
        domain_rename(domain);
    } else {
        domain_destroy(domain);
    }
    if (restart && !thread_create("xl-restart", restart_thread, restart)) {
        restart_free(restart);
    }
}

/* What it died of: the hypervisor knows why it has ended a domain, which could not say so itself; the
 * guest why it has given up. */
static void words_note(struct domain *domain)
{
    struct paravane_exit_reason reason = {.domid = domain->domid};

    if (hypercall_paravane_op(PARAVANE_exit_reason, &reason) == 0 && reason.text[0]) {
        snprintf(domain->words, sizeof(domain->words), "%s", reason.text);
        guest_console_add_line(domain->domid, domain->words);
    } else if (domain->reason == SHUTDOWN_crash) {
        guest_console_last_words(domain->domid, domain->words, sizeof(domain->words));
    }
}

void domain_ending(const struct domain *domain, char *text, size_t size)
{
    if (!domain->shut_down) {
        snprintf(text, size, "destroyed");
        return;
    }
    snprintf(text, size, "%s%s%s", domain_reason_name(domain->reason), domain->words[0] ? ": " : "",
             domain->words);
}

static void stop_handle(struct domain *domain, unsigned int reason)
{
    enum xl_action action;

    domain->reason = reason;
    domain->shut_down = true;
    words_note(domain);
    action = domain->unmonitored ? XL_PRESERVE : action_of(domain, reason);
    notice("xl: domain %u (%s) has shut down, reason %s: %s%s%s", domain->domid,
           domain->config.name, domain_reason_name(reason), xl_action_name(action),
           domain->words[0] ? "; " : "", domain->words);
    wake_up(&changes);
    xenstore_service_domain_died(domain->domid);
    switch (action) {
    case XL_DESTROY:
    case XL_COREDUMP_DESTROY: /* without a core: creation has said so */
        domain_destroy(domain);
        break;
    case XL_RESTART:
    case XL_COREDUMP_RESTART:
        restart(domain, false);
        break;
    case XL_RENAME_RESTART:
        restart(domain, true);
        break;
    case XL_PRESERVE:
        domain->stopped = true;
        break;
    }
}

/* Handles one after the other, by number: handling lets others run, which may come and go meanwhile. */
static void stops_look(void)
{
    struct xen_domctl_getdomaininfo info;
    struct domain *domain;

    for (unsigned int next = 0; (domain = domain_from(next)) != NULL;) {
        next = domain->domid + 1U;
        if (!domain->dying && !domain->stopped && domctl_get_info(domain->domid, &info) == 0 &&
            (info.flags & XEN_DOMINF_shutdown)) {
            stop_handle(domain, (info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask);
        }
    }
}

static void death_event(evtchn_port_t port, void *arg)
{
    (void)port, (void)arg;
    death_wanted = true;
    wake_up(&deaths);
}

static void death_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&deaths, death_wanted);
        death_wanted = false;
        remnants_look();
        stops_look();
    }
}

int domain_death_start(struct xs_handle *handle, void (*print)(const char *line))
{
    int rc;

    xs = handle;
    notice_print = print;
    if (!thread_create("xl-deaths", death_thread, NULL)) {
        return -XEN_ENOMEM;
    }
    rc = event_bind_virq(VIRQ_DOM_EXC, death_event, NULL);
    return rc < 0 ? rc : 0;
}
