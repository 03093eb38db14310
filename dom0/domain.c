// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>

#include "dom0/bridge.h"
#include "dom0/blkback.h"
#include "dom0/domain.h"
#include "dom0/domain_death.h"
#include "dom0/domain_index.h"
#include "dom0/domain_limits.h"
#include "dom0/domain_past.h"
#include "dom0/domain_store.h"
#include "dom0/domctl.h"
#include "dom0/guest_build.h"
#include "dom0/guest_console.h"
#include "dom0/netback.h"
#include "dom0/unpack.h"
#include "dom0/xenstore_service.h"
#include "hypercalls/paravane.h"
#include "pvguest/block.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/net.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

static struct domain_index domains;
static const struct archive *archive;
static struct xs_handle *xs;

struct domain *domain_from(unsigned int first)
{
    return domain_index_from(&domains, first);
}

struct domain *domain_iterate(const struct domain *previous)
{
    return domain_from(previous ? previous->domid + 1U : 0);
}

struct domain *domain_find(domid_t domid)
{
    return domain_index_find(&domains, domid);
}

/* A name as it stands, also where it looks like a number. */
struct domain *domain_find_exact(const char *name)
{
    struct domain *domain = domain_iterate(NULL);

    while (domain && strcmp(domain->config.name, name) != 0) {
        domain = domain_iterate(domain);
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

void domain_uuid_make(uint8_t uuid[16])
{
    random_bytes(uuid, 16);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

/* Fills in what the configuration leaves to the toolstack. A restart keeps all of it. */
static void config_complete(struct domain *domain)
{
    struct xl_config *config = &domain->config;

    if (!config->has_uuid) {
        domain_uuid_make(config->uuid);
        config->has_uuid = true;
    }
    memcpy(domain->uuid, config->uuid, sizeof(domain->uuid));
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

static bool disk_is_of(const struct xl_disk *disk, const struct domain *domain)
{
    for (unsigned int i = 0; i < domain->config.disk_count; i++) {
        if (disks_clash(disk, &domain->config.disks[i])) {
            return true;
        }
    }
    return false;
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
    for (struct domain *other = domain_iterate(NULL); other; other = domain_iterate(other)) {
        if (disk_is_of(disk, other)) {
            return fail(error, -XEN_EBUSY, "disk %s: volume \"%s\" is in use by %s", disk->vdev,
                        disk->target, other->config.name);
        }
    }
    for (struct domain *other = domain_remnant_iterate(NULL); other;
         other = domain_remnant_iterate(other)) {
        if (disk_is_of(disk, other) && blkback_serves(other->domid)) {
            return fail(error, -XEN_EBUSY,
                        "disk %s: volume \"%s\" is still in use by %s, which has ended", disk->vdev,
                        disk->target, other->config.name);
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

/* A name of an interface is its own: `count` of this configuration's have none like it. */
static bool vif_has_name(const struct xl_config *config, unsigned int count, const char *name)
{
    for (unsigned int i = 0; i < count; i++) {
        if (strcmp(config->vifs[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int vif_name_check(const struct xl_config *config, unsigned int index,
                          struct domain_error *error)
{
    const char *name = config->vifs[index].name;
    const struct net_device *device = net_find(name);

    /* A card may be one of a domain that has just been destroyed, and goes before this one comes. */
    if (device && !netback_is_card(device)) {
        return fail(error, -XEN_EEXIST, "vif %u: %s is an interface of dom0", index, name);
    }
    if (vif_has_name(config, index, name)) {
        return fail(error, -XEN_EEXIST, "vif %u: another one is called %s too", index, name);
    }
    for (struct domain *other = domain_iterate(NULL); other; other = domain_iterate(other)) {
        if (vif_has_name(&other->config, other->config.vif_count, name)) {
            return fail(error, -XEN_EEXIST, "vif %u: an interface of %s is called %s", index,
                        other->config.name, name);
        }
    }
    return 0;
}

static int vifs_check(const struct xl_config *config, struct domain_error *error)
{
    for (unsigned int i = 0; i < config->vif_count; i++) {
        int rc = config->vifs[i].name[0] ? vif_name_check(config, i, error) : 0;
        if (rc) {
            return rc;
        }
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

/* What belongs to a domain is found by its UUID, and goes with it. */
static int uuid_check(const struct domain *domain, struct domain_error *error)
{
    for (struct domain *other = domain_iterate(NULL); other; other = domain_iterate(other)) {
        if (memcmp(other->uuid, domain->uuid, sizeof(domain->uuid)) == 0) {
            return fail(error, -XEN_EEXIST, "uuid: %s has the same", other->config.name);
        }
    }
    return 0;
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

void domain_unlink(struct domain *domain)
{
    domain_index_remove(&domains, domain);
}

/* The domain is there: from now on it is found. */
static int domain_record(struct domain *domain, domid_t domid, struct domain_error *error)
{
    static uint64_t serials;

    domain->domid = domid;
    domain->started = time_now();
    domain->serial = ++serials;
    domain_remnant_finish(domid);
    if (!domain_index_insert(&domains, domain)) {
        domctl_destroy(domid);
        return fail(error, -XEN_ENOMEM, "dom0 is out of memory");
    }
    return 0;
}

int domain_create(const struct xl_config *config, unsigned int flags, domid_t *domid,
                  struct domain_error *error)
{
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
    rc = uuid_check(domain, error);
    rc = rc ? rc : disks_check(&domain->config, error);
    rc = rc ? rc : vifs_check(&domain->config, error);
    rc = rc ? rc : memory_build(domain, build, error);
    rc = rc ? rc : domain_record(domain, build->domid, error);
    if (rc) {
        xl_config_free(&domain->config);
        free(domain);
        free(build);
        return rc;
    }
    *domid = domain->domid;
    domain->unmonitored = flags & DOMAIN_UNMONITORED;
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

int domain_request(struct domain *domain, const char *word)
{
    return domain_store_control(xs, domain->domid, word);
}

int domain_start(const struct archive *files, void (*print)(const char *line))
{
    archive = files;
    xs = xs_open(0);
    if (!xs) {
        return -XEN_ENOMEM;
    }
    xs_write(xs, XBT_NULL, "/local/domain/0/name", "Domain-0", 8);
    xs_write(xs, XBT_NULL, "/local/domain/0/domid", "0", 1);
    return domain_death_start(xs, print);
}
