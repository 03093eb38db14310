// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>

#include "dom0/bridge.h"
#include "dom0/domain.h"
#include "dom0/domain_limits.h"
#include "dom0/domain_past.h"
#include "dom0/domain_store.h"
#include "dom0/domctl.h"
#include "dom0/guest_build.h"
#include "dom0/guest_console.h"
#include "dom0/unpack.h"
#include "dom0/xenstore_service.h"
#include "hypercalls/paravane.h"
#include "pvguest/block.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define GONE_WAIT_NS (5 * NSEC_PER_SEC)
#define RESTART_MIN_NS NSEC_PER_SEC /* a guest that stops sooner waits before it is restarted */

static struct domain *domains;
static const struct archive *archive;
static struct xs_handle *xs;
static void (*notice_print)(const char *line);
static struct wait_queue deaths;
static volatile bool death_wanted;
static struct wait_queue changes;

struct wait_queue *domain_queue(void)
{
    return &changes;
}

struct domain *domain_iterate(struct domain *previous)
{
    return previous ? previous->next : domains;
}

struct domain *domain_find(domid_t domid)
{
    struct domain *domain = domains;

    while (domain && domain->domid != domid) {
        domain = domain->next;
    }
    return domain;
}

/* A name as it stands, also where it looks like a number. */
struct domain *domain_find_exact(const char *name)
{
    struct domain *domain = domains;

    while (domain && strcmp(domain->config.name, name) != 0) {
        domain = domain->next;
    }
    return domain;
}

bool domain_number(const char *word, domid_t *domid)
{
    unsigned long number = strtoul(word, NULL, 10);

    *domid = (domid_t)number;
    return *word && word[strspn(word, "0123456789")] == '\0' && number < DOMID_FIRST_RESERVED;
}

struct domain *domain_find_name(const char *name)
{
    domid_t domid;

    if (domain_number(name, &domid)) {
        return domain_find(domid);
    }
    return domain_find_exact(name);
}

const char *domain_reason_name(unsigned int reason)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft-reset",
    };
    return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

static int fail(struct domain_error *error, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct domain_error *error, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return rc;
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

/* Identifiers need to differ, not to be secret. */
static void random_bytes(uint8_t *bytes, size_t length)
{
    static uint64_t state;

    for (size_t i = 0; i < length; i++) {
        state += time_now() + time_wall() + 0x9e3779b97f4a7c15ULL;
        uint64_t z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        bytes[i] = (uint8_t)(z >> 32);
    }
}

/* Fills in what the configuration leaves to the toolstack. */
static void config_complete(struct domain *domain)
{
    struct xl_config *config = &domain->config;

    if (config->has_uuid) {
        memcpy(domain->uuid, config->uuid, sizeof(domain->uuid));
    } else {
        random_bytes(domain->uuid, sizeof(domain->uuid));
        domain->uuid[6] = (uint8_t)((domain->uuid[6] & 0x0f) | 0x40);
        domain->uuid[8] = (uint8_t)((domain->uuid[8] & 0x3f) | 0x80);
    }
    for (unsigned int i = 0; i < config->vif_count; i++) {
        struct xl_vif *vif = &config->vifs[i];
        if (!vif->has_mac) {
            random_bytes(vif->mac, sizeof(vif->mac));
            memcpy(vif->mac, "\x00\x16\x3e", 3); /* the range assigned to Xen */
            vif->mac[3] &= 0x7f;
            vif->has_mac = true;
        }
    }
}

/* True if the two cannot be there at once: one volume, and one of them writes. */
static bool disks_clash(const struct xl_disk *a, const struct xl_disk *b)
{
    return strcmp(a->target, b->target) == 0 && !(a->readonly && b->readonly);
}

/* The volume is there, and neither an earlier disk of the guest nor another guest is in the way. */
static int disk_check(const struct xl_config *config, unsigned int index,
                      struct domain_error *error)
{
    const struct xl_disk *disk = &config->disks[index];

    if (!block_find(disk->target)) {
        return fail(error, -XEN_ENOENT, "disk %s: there is no volume \"%s\" in dom0", disk->vdev,
                    disk->target);
    }
    for (unsigned int i = 0; i < index; i++) {
        if (disks_clash(disk, &config->disks[i])) {
            return fail(error, -XEN_EBUSY, "disk %s: volume \"%s\" is disk %s already", disk->vdev,
                        disk->target, config->disks[i].vdev);
        }
    }
    for (struct domain *other = domains; other; other = other->next) {
        for (unsigned int i = 0; i < other->config.disk_count; i++) {
            if (disks_clash(disk, &other->config.disks[i])) {
                return fail(error, -XEN_EBUSY, "disk %s: volume \"%s\" is in use by %s", disk->vdev,
                            disk->target, other->config.name);
            }
        }
    }
    return 0;
}

static int disks_check(const struct xl_config *config, struct domain_error *error)
{
    int rc = 0;

    for (unsigned int i = 0; i < config->disk_count && rc == 0; i++) {
        if (config->disks[i].target[0]) { /* a drive may be empty */
            rc = disk_check(config, i, error);
        }
    }
    return rc;
}

static int vifs_check(const struct xl_config *config, struct domain_error *error)
{
    for (unsigned int i = 0; i < config->vif_count; i++) {
        const char *bridge = config->vifs[i].bridge;
        if (bridge[0] && !bridge_find(bridge)) {
            return fail(error, -XEN_ENOENT, "vif %u: there is no bridge \"%s\" in dom0", i, bridge);
        }
    }
    return 0;
}

/* A packed kernel is unpacked for as long as the domain is built. */
static int image_build(struct guest_build *build)
{
    void *unpacked = NULL;

    if (unpack_is_packed(build->kernel, build->kernel_size)) {
        unpacked = unpack_gzip(build->kernel, build->kernel_size, &build->kernel_size,
                               &build->error);
        if (!unpacked) {
            return -XEN_ENOEXEC;
        }
        build->kernel = unpacked;
    }
    int rc = guest_build(build);
    free(unpacked);
    return rc;
}

static int memory_build(struct domain *domain, struct guest_build *build,
                        struct domain_error *error)
{
    const struct xl_config *config = &domain->config;
    struct archive_file kernel, initrd = {.size = 0};
    int rc;

    if (!archive_find(archive, config->kernel, &kernel)) {
        return fail(error, -XEN_ENOENT, "kernel \"%s\" is not in the boot archive", config->kernel);
    }
    if (config->ramdisk[0] && !archive_find(archive, config->ramdisk, &initrd)) {
        return fail(error, -XEN_ENOENT, "ramdisk \"%s\" is not in the boot archive",
                    config->ramdisk);
    }
    build->kernel = kernel.data;
    build->kernel_size = kernel.size;
    build->initrd = initrd.data;
    build->initrd_size = initrd.size;
    build->cmdline = config->cmdline;
    build->memory_kib = config->memory_kib;
    build->maxmem_kib = config->maxmem_kib;
    build->limits = (struct domctl_limits){
        .vcpus = config->maxvcpus,
        .event_channels = config->limits.event_channels,
        .grant_frames = config->limits.grant_frames,
        .maptrack_frames = config->limits.maptrack_frames,
    };
    memcpy(build->uuid, domain->uuid, sizeof(build->uuid));
    rc = image_build(build);
    return rc ? fail(error, rc, "kernel \"%s\": %s", config->kernel, build->error.text) : 0;
}

/* What stands beside the domain itself: nodes, store connection, console. */
static int services_attach(struct domain *domain, const struct guest_build *build,
                           struct domain_error *error)
{
    struct domain_store store = {
        .domid = build->domid,
        .config = &domain->config,
        .console_port = build->console_port,
        .store_port = build->store_port,
        .console_mfn = build->console_mfn,
        .store_mfn = build->store_mfn,
        .start_time = time_wall() / NSEC_PER_SEC,
    };
    int rc;

    memcpy(store.uuid, domain->uuid, sizeof(store.uuid));
    rc = guest_console_open(build->domid, domain->config.name, build->console_port);
    if (rc) {
        return fail(error, rc, "console: %s", errno_name(rc));
    }
    rc = domain_store_write(xs, &store);
    if (rc) {
        return fail(error, rc, "writing to the store: %s", errno_name(rc));
    }
    rc = xenstore_service_introduce(build->domid, build->store_port);
    return rc ? fail(error, rc, "connecting to the store: %s", errno_name(rc)) : 0;
}

static void domain_insert(struct domain *domain)
{
    struct domain **slot = &domains;

    while (*slot && (*slot)->domid < domain->domid) {
        slot = &(*slot)->next;
    }
    domain->next = *slot;
    *slot = domain;
}

static void domain_remove(struct domain *domain)
{
    struct domain **slot = &domains;

    while (*slot != domain) {
        slot = &(*slot)->next;
    }
    *slot = domain->next;
    xl_config_free(&domain->config);
    free(domain);
    wake_up(&changes);
}

int domain_create(const struct xl_config *config, unsigned int flags, domid_t *domid,
                  struct domain_error *error)
{
    static uint64_t serials;
    struct domain *domain = domain_find_exact(config->name);
    struct guest_build *build;
    int rc;

    if (domain || strcmp(config->name, "Domain-0") == 0) {
        return fail(error, -XEN_EEXIST, "Domain with name %s already exists", config->name);
    }
    domain = calloc(1, sizeof(*domain));
    build = calloc(1, sizeof(*build));
    if (!domain || !build) {
        free(domain);
        free(build);
        return fail(error, -XEN_ENOMEM, "dom0 is out of memory");
    }
    domain->config = xl_config_copy(config);
    config_complete(domain);
    rc = disks_check(&domain->config, error);
    rc = rc ? rc : vifs_check(&domain->config, error);
    rc = rc ? rc : memory_build(domain, build, error);
    if (rc) {
        xl_config_free(&domain->config);
        free(domain);
        free(build);
        return rc;
    }
    domain->domid = *domid = build->domid;
    domain->started = time_now();
    domain->serial = ++serials;
    domain->unmonitored = flags & DOMAIN_UNMONITORED;
    domain_insert(domain);
    rc = services_attach(domain, build, error);
    rc = rc ? rc : domain_limits_apply(domain->domid, &domain->config, error);
    if (rc == 0 && !(flags & DOMAIN_PAUSED)) {
        rc = domctl_unpause(domain->domid);
        rc = rc ? fail(error, rc, "starting the domain: %s", errno_name(rc)) : 0;
    }
    if (rc) {
        domain_destroy(domain);
    }
    free(build);
    return rc;
}

/* Back ends and the store still hold pages of a dead domain for a moment. */
static int gone_wait(domid_t domid)
{
    struct xen_domctl_getdomaininfo info;

    const uint64_t deadline = time_now() + GONE_WAIT_NS;

    for (bool first = true;; first = false) {
        /* The list, not the domain itself: asking for what is gone would be logged as a fault. */
        int count = sysctl_list_domains(domid, &info, 1);
        if (count == 0 || (count == 1 && info.domain != domid)) {
            return 0;
        }
        if (first) {
            thread_yield();
        } else if (!console_sleep(NSEC_PER_MSEC)) {
            return -XEN_EAGAIN;
        } else if (time_now() > deadline) {
            return -XEN_EBUSY;
        }
    }
}

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
    rc = gone_wait(domid);
    xenstore_service_release(domid, true);
    domain_remove(domain);
    return rc;
}

int domain_request(struct domain *domain, const char *word)
{
    return domain_store_control(xs, domain->domid, word);
}

/* --- deaths ---------------------------------------------------------------------------------- */

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

/* The old domain keeps what there is to see, under another name. */
static void domain_rename(struct domain *domain)
{
    char path[64], name[XL_NAME_MAX + 8];

    snprintf(name, sizeof(name), "%s-%u", domain->config.name, domain->domid);
    if (!xl_config_rename(&domain->config, name)) {
        return; /* the new one then says that the name is in use */
    }
    domain->config.disk_count = 0; /* free for the new one */
    snprintf(path, sizeof(path), "/local/domain/%u/name", domain->domid);
    xs_write(xs, XBT_NULL, path, name, (unsigned int)strlen(name));
}

/* A domain that is to be made again, after a moment if the last one did not live long. */
struct restart {
    struct restart *next;
    struct xl_config config;
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

/* In a thread of its own: the deaths of others do not wait for it. */
static void restart_thread(void *arg)
{
    struct restart *restart = arg;
    struct domain_error error;
    domid_t domid;

    thread_sleep(restart->delay_ns);
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

static void restart(struct domain *domain, bool keep)
{
    struct restart *restart = calloc(1, sizeof(*restart));
    uint64_t lived = time_now() - domain->started;

    if (restart) {
        restart->config = xl_config_copy(&domain->config);
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

/* What it died of: the hypervisor knows why it has ended a domain, the guest why it has given up. */
static void words_note(struct domain *domain)
{
    struct paravane_exit_reason reason = {.domid = domain->domid};

    if (hypercall_paravane_op(PARAVANE_exit_reason, &reason) == 0 && reason.text[0]) {
        snprintf(domain->words, sizeof(domain->words), "%s", reason.text);
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

/* Finds one domain that has stopped and was not handled yet. */
static struct domain *stopped_find(unsigned int *reason)
{
    for (struct domain *domain = domains; domain; domain = domain->next) {
        struct xen_domctl_getdomaininfo info;
        if (!domain->dying && !domain->stopped && domctl_get_info(domain->domid, &info) == 0 &&
            (info.flags & XEN_DOMINF_shutdown)) {
            *reason = (info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
            return domain;
        }
    }
    return NULL;
}

static void death_event(evtchn_port_t port, void *arg)
{
    (void)port, (void)arg;
    death_wanted = true;
    wake_up(&deaths);
}

static void death_thread(void *arg)
{
    struct domain *domain;
    unsigned int reason;

    (void)arg;
    for (;;) {
        wait_event(&deaths, death_wanted);
        death_wanted = false;
        while ((domain = stopped_find(&reason)) != NULL) {
            stop_handle(domain, reason);
        }
    }
}

int domain_start(const struct archive *files, void (*print)(const char *line))
{
    int rc;

    archive = files;
    notice_print = print;
    xs = xs_open(0);
    if (!xs || !thread_create("xl-deaths", death_thread, NULL)) {
        return -XEN_ENOMEM;
    }
    xs_write(xs, XBT_NULL, "/local/domain/0/name", "Domain-0", 8);
    xs_write(xs, XBT_NULL, "/local/domain/0/domid", "0", 1);
    rc = event_bind_virq(VIRQ_DOM_EXC, death_event, NULL);
    return rc < 0 ? rc : 0;
}
