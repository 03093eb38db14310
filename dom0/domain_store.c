// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/io/xenbus.h>

#include "dom0/domain_store.h"
#include "pvguest/errno.h"
#include "pvguest/net.h"

#define TRIES_MAX 20U

/* One run of writes; the first failure stops the rest and is kept. */
struct writer {
    struct xs_handle *xs;
    xs_transaction_t transaction;
    const struct domain_store *store;
    char base[128]; /* what relative paths are below */
    bool failed;
};

enum access { PRIVATE, GUEST_READS, GUEST_OWNS, BACKEND_READS };

static void put(struct writer *w, const char *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put(struct writer *w, const char *node, const char *format, ...)
{
    char path[192], value[1100];
    va_list args;

    snprintf(path, sizeof(path), "%s/%s", w->base, node);
    va_start(args, format);
    if ((size_t)vsnprintf(value, sizeof(value), format, args) >= sizeof(value)) {
        w->failed = true; /* never half a value */
        errno = E2BIG;
    }
    va_end(args);
    if (!w->failed && !xs_write(w->xs, w->transaction, path, value, (unsigned int)strlen(value))) {
        w->failed = true;
    }
}

/* Makes the base node (and what lies above it) with permissions that its children inherit. */
static void base(struct writer *w, enum access access, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void base(struct writer *w, enum access access, const char *format, ...)
{
    struct xs_permissions perms[2] = {
        {0,               XS_PERM_NONE},
        {w->store->domid, XS_PERM_READ}
    };
    va_list args;

    va_start(args, format);
    vsnprintf(w->base, sizeof(w->base), format, args);
    va_end(args);
    if (access == GUEST_OWNS || access == BACKEND_READS) {
        perms[0].id = w->store->domid;
        perms[1] = (struct xs_permissions){0, XS_PERM_READ};
    }
    if (!w->failed && (!xs_mkdir(w->xs, w->transaction, w->base) ||
                       !xs_set_permissions(w->xs, w->transaction, w->base, perms,
                                           access == PRIVATE || access == GUEST_OWNS ? 1 : 2))) {
        w->failed = true;
    }
}

void domain_store_uuid(const uint8_t uuid[16], char text[37])
{
    char *at = text;

    for (unsigned int i = 0; i < 16; i++) {
        at += sprintf(at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    }
}

static void write_vm(struct writer *w, const char *uuid)
{
    const struct xl_config *config = w->store->config;

    base(w, GUEST_READS, "/vm/%s", uuid);
    put(w, "name", "%s", config->name);
    put(w, "uuid", "%s", uuid);
    put(w, "start_time", "%llu", (unsigned long long)w->store->start_time);
    put(w, "image/ostype", "linux");
    put(w, "image/kernel", "%s", config->kernel);
    put(w, "image/cmdline", "%s", config->cmdline);
    if (config->ramdisk[0]) {
        put(w, "image/ramdisk", "%s", config->ramdisk);
    }
    base(w, PRIVATE, "/libxl/%u", w->store->domid);
    put(w, "type", "pv");
}

static void write_home(struct writer *w, const char *uuid)
{
    /* What the guest writes itself; of control/ what its kernel says that it obeys. */
    static const char *const owned[] = {"control/shutdown",
                                        "control/feature-poweroff",
                                        "control/feature-reboot",
                                        "control/feature-suspend",
                                        "control/sysrq",
                                        "data",
                                        "drivers",
                                        "attr",
                                        "error",
                                        "feature"};
    const struct xl_config *config = w->store->config;
    const domid_t domid = w->store->domid;
    char node[32];

    base(w, GUEST_READS, "/local/domain/%u", domid);
    put(w, "vm", "/vm/%s", uuid);
    put(w, "name", "%s", config->name);
    put(w, "domid", "%u", domid);
    put(w, "memory/static-max", "%llu", (unsigned long long)config->maxmem_kib);
    put(w, "memory/target", "%llu", (unsigned long long)config->memory_kib);
    put(w, "memory/videoram", "0");
    for (unsigned int i = 0; i < config->maxvcpus; i++) {
        snprintf(node, sizeof(node), "cpu/%u/availability", i);
        put(w, node, i < config->vcpus ? "online" : "offline");
    }
    put(w, "control/platform-feature-multiprocessor-suspend", "1");
    put(w, "control/platform-feature-xs_reset_watches", "1");
    put(w, "store/ring-ref", "%llu", (unsigned long long)w->store->store_mfn);
    put(w, "store/port", "%u", (unsigned int)w->store->store_port);
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
        base(w, GUEST_OWNS, "/local/domain/%u/%s", domid, owned[i]);
    }
    base(w, GUEST_READS, "/local/domain/%u/device", domid);
}

static void write_console(struct writer *w)
{
    const domid_t domid = w->store->domid;

    base(w, GUEST_READS, "/local/domain/%u/console", domid);
    put(w, "backend", "/local/domain/0/backend/console/%u/0", domid);
    put(w, "backend-id", "0");
    put(w, "type", "xenconsoled");
    put(w, "output", "pty");
    put(w, "limit", "1048576");
    put(w, "ring-ref", "%llu", (unsigned long long)w->store->console_mfn);
    put(w, "port", "%u", (unsigned int)w->store->console_port);
    base(w, GUEST_READS, "/local/domain/0/backend/console/%u/0", domid);
    put(w, "frontend", "/local/domain/%u/console", domid);
    put(w, "frontend-id", "%u", domid);
    put(w, "online", "1");
    put(w, "state", "%u", (unsigned int)XenbusStateInitialising);
    put(w, "protocol", "vt100");
}

static void write_disk(struct writer *w, const struct xl_disk *disk)
{
    const domid_t domid = w->store->domid;
    const unsigned int id = (unsigned int)disk->number;

    base(w, BACKEND_READS, "/local/domain/%u/device/vbd/%u", domid, id);
    put(w, "backend", "/local/domain/0/backend/vbd/%u/%u", domid, id);
    put(w, "backend-id", "0");
    put(w, "state", "%u", (unsigned int)XenbusStateInitialising);
    put(w, "virtual-device", "%u", id);
    put(w, "device-type", disk->cdrom ? "cdrom" : "disk");
    put(w, "trusted", disk->untrusted ? "0" : "1");
    base(w, GUEST_READS, "/local/domain/0/backend/vbd/%u/%u", domid, id);
    put(w, "frontend", "/local/domain/%u/device/vbd/%u", domid, id);
    put(w, "frontend-id", "%u", domid);
    put(w, "params", "%s", disk->target);
    put(w, "type", "phy");
    put(w, "dev", "%s", disk->vdev);
    put(w, "mode", disk->readonly ? "r" : "w");
    put(w, "device-type", disk->cdrom ? "cdrom" : "disk");
    put(w, "removable", "%u", disk->cdrom ? 1U : 0U);
    put(w, "bootable", "1");
    put(w, "discard-enable", "0");
    put(w, "online", "1");
    put(w, "state", "%u", (unsigned int)XenbusStateInitialising);
}

/* What dom0's side of a network interface is told. */
static void write_vif_options(struct writer *w, const struct xl_vif *vif)
{
    put(w, "bridge", "%s", vif->bridge[0] ? vif->bridge : "xenbr0");
    put(w, "script", "%s", vif->script[0] ? vif->script : "vif-bridge");
    if (vif->ip[0]) {
        put(w, "ip", "%s", vif->ip);
    }
    if (vif->name[0]) {
        put(w, "vifname", "%s", vif->name);
    }
    if (vif->foreign_addresses) {
        put(w, "antispoof", "0");
    }
    if (vif->rate_bytes) {
        put(w, "rate", "%llu,%u", (unsigned long long)vif->rate_bytes,
            (unsigned int)vif->rate_usecs);
    }
}

static void write_vif(struct writer *w, const struct xl_vif *vif)
{
    const unsigned int id = (unsigned int)vif->id;
    const domid_t domid = w->store->domid;
    char mac[NET_ADDRESS_TEXT];

    net_address_format(vif->mac, mac);
    base(w, BACKEND_READS, "/local/domain/%u/device/vif/%u", domid, id);
    put(w, "backend", "/local/domain/0/backend/vif/%u/%u", domid, id);
    put(w, "backend-id", "0");
    put(w, "state", "%u", (unsigned int)XenbusStateInitialising);
    put(w, "handle", "%u", id);
    put(w, "mac", "%s", mac);
    put(w, "mtu", "%u", vif->mtu);
    put(w, "trusted", vif->untrusted ? "0" : "1");
    base(w, GUEST_READS, "/local/domain/0/backend/vif/%u/%u", domid, id);
    put(w, "frontend", "/local/domain/%u/device/vif/%u", domid, id);
    put(w, "frontend-id", "%u", domid);
    put(w, "handle", "%u", id);
    put(w, "mac", "%s", mac);
    write_vif_options(w, vif);
    put(w, "type", "vif");
    put(w, "online", "1");
    put(w, "state", "%u", (unsigned int)XenbusStateInitialising);
}

int domain_store_write(struct xs_handle *xs, const struct domain_store *store)
{
    struct writer w = {.xs = xs, .store = store};
    char uuid[37];

    domain_store_uuid(store->uuid, uuid);
    for (unsigned int i = 0; i < TRIES_MAX; i++) {
        w.failed = false;
        w.transaction = xs_transaction_start(xs);
        if (w.transaction == XBT_NULL) {
            break;
        }
        write_vm(&w, uuid);
        write_home(&w, uuid);
        write_console(&w);
        for (unsigned int d = 0; d < store->config->disk_count; d++) {
            if (store->config->disks[d]
                    .target[0]) { /* of an empty drive there is nothing to tell */
                write_disk(&w, &store->config->disks[d]);
            }
        }
        for (unsigned int v = 0; v < store->config->vif_count; v++) {
            write_vif(&w, &store->config->vifs[v]);
        }
        if (xs_transaction_end(xs, w.transaction, w.failed)) {
            if (!w.failed) {
                return 0;
            }
            break;
        }
        if (errno != EAGAIN) {
            break;
        }
    }
    return -errno_to_xen(errno);
}

int domain_store_rename(struct xs_handle *xs, domid_t domid, const char *name,
                        const uint8_t old[16], const uint8_t uuid[16])
{
    const struct domain_store store = {.domid = domid};
    struct writer w = {.xs = xs, .store = &store, .transaction = XBT_NULL};
    char path[64], text[37];

    domain_store_uuid(old, text);
    snprintf(path, sizeof(path), "/vm/%s", text);
    xs_rm(xs, XBT_NULL, path);
    snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u", domid);
    xs_rm(xs, XBT_NULL, path);
    domain_store_uuid(uuid, text);
    base(&w, GUEST_READS, "/vm/%s", text);
    put(&w, "name", "%s", name);
    put(&w, "uuid", "%s", text);
    base(&w, GUEST_READS, "/local/domain/%u", domid);
    put(&w, "vm", "/vm/%s", text);
    put(&w, "name", "%s", name);
    return w.failed ? -errno_to_xen(errno) : 0;
}

void domain_store_remove(struct xs_handle *xs, domid_t domid, const uint8_t uuid[16])
{
    static const char *const kinds[] = {"vbd", "vif", "console"};
    char path[96], text[37];

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kinds[i], domid);
        xs_rm(xs, XBT_NULL, path);
    }
    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    xs_rm(xs, XBT_NULL, path);
    snprintf(path, sizeof(path), "/libxl/%u", domid);
    xs_rm(xs, XBT_NULL, path);
    domain_store_uuid(uuid, text);
    snprintf(path, sizeof(path), "/vm/%s", text);
    xs_rm(xs, XBT_NULL, path);
}

int domain_store_control(struct xs_handle *xs, domid_t domid, const char *word)
{
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
    return xs_write(xs, XBT_NULL, path, word, (unsigned int)strlen(word)) ? 0
                                                                          : -errno_to_xen(errno);
}
