// SPDX-License-Identifier: MIT
/*
 * Split devices: one watch for each driver's directory, one for each peer's state node.
 *
 * The directory's watch says which path below it has changed. At the level of a device or above,
 * that part of the directory is compared with the list of devices; below, only a device that is
 * not known yet is looked at (its nodes may have come one by one). So the cost of an event does not
 * grow with the number of devices. Everything runs in the xenbus thread.
 */
#include "pvguest/xenbus_device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/console.h"
#include "pvguest/errno.h"

#define DOM0_PATH "/local/domain/0/"

static struct xenbus_device *device_find(struct xenbus_driver *driver, const char *node)
{
    struct xenbus_device *device = driver->devices;
    while (device != NULL && strcmp(device->node, node) != 0) {
        device = device->next;
    }
    return device;
}

/* Where the reason of a failure stands. */
static void error_node(const struct xenbus_device *device, char *path, size_t size)
{
    snprintf(path, size, "error/%s",
             device->node + (device->driver->backend ? strlen(DOM0_PATH) : 0));
}

/* Life of a device ------------------------------------------------------------------------------ */
/* A front end that fails again and again may close, but not start once more. */
static bool given_up(const struct xenbus_device *device)
{
    bool starts = device->peer_state >= XenbusStateInitialising &&
                  device->peer_state <= XenbusStateConnected;
    return device->driver->backend && device->failures >= XENBUS_FAILURES_MAX && starts &&
           device->state >= XenbusStateClosing;
}

static void peer_fired(struct xenbus_watch *watch, const char *path)
{
    (void)path;
    struct xenbus_device *device = watch->context;
    device->peer_state = xenbus_read_state(device->peer);
    if (!given_up(device)) {
        device->driver->peer_changed(device);
    }
}

/* Reads who the peer is. -XEN_ENOENT: the nodes are not all there (yet). */
static int peer_read(struct xenbus_device *device)
{
    bool backend = device->driver->backend;
    uint64_t domid;
    int error = xenbus_read_text(device->node, backend ? "frontend" : "backend", device->peer,
                                 sizeof(device->peer));
    if (error == 0) {
        error = xenbus_read_number(XENBUS_NO_TRANSACTION, device->node,
                                   backend ? "frontend-id" : "backend-id", &domid);
    }
    if (error == 0 && domid >= DOMID_FIRST_RESERVED) {
        error = -XEN_EINVAL;
    }
    if (error == 0) {
        device->peer_domid = (domid_t)domid;
    }
    return error;
}

static void device_add(struct xenbus_driver *driver, const char *node)
{
    struct xenbus_device *device = calloc(1, sizeof(*device));
    if (device == NULL) {
        console_printf("%s: out of memory\n", node);
        return;
    }
    device->driver = driver;
    strcpy(device->node, node); /* the length was checked where the node was named */
    const char *id = strrchr(node, '/');
    device->id = (unsigned int)strtoul(id != NULL ? id + 1 : node, NULL, 10);
    if (peer_read(device) != 0) {
        free(device);
        return;
    }
    device->state = xenbus_read_state(node);
    device->next = driver->devices;
    driver->devices = device;
    int error = driver->probe(device);
    if (error != 0) {
        console_printf("%s: not usable: %s\n", node, errno_name(error));
        (void)xenbus_device_set_state(device, XenbusStateClosed);
        device->refused = true; /* stays known, so that it is not tried at each event */
        return;
    }
    snprintf(device->peer_state_path, sizeof(device->peer_state_path), "%s/state", device->peer);
    device->watch.path = device->peer_state_path;
    device->watch.fired = peer_fired;
    device->watch.context = device;
    error = xenbus_watch(&device->watch);
    if (error != 0) {
        xenbus_device_fail(device, error, "cannot watch %s", device->peer);
    }
}

static void device_remove(struct xenbus_device *device)
{
    struct xenbus_device **link = &device->driver->devices;
    while (*link != device) {
        link = &(*link)->next;
    }
    *link = device->next;
    if (!device->refused) {
        xenbus_unwatch(&device->watch);
        device->driver->remove(device);
    }
    if (device->failures != 0) {
        char node[XENBUS_NODE_MAX + 8];
        error_node(device, node, sizeof(node));
        (void)xenbus_rm(XENBUS_NO_TRANSACTION, node);
    }
    free(device);
}

/* The directory --------------------------------------------------------------------------------- */
static bool is_below(const char *node, const char *dir)
{
    size_t length = strlen(dir);
    return strncmp(node, dir, length) == 0 && (node[length] == '/' || node[length] == '\0');
}

/* Sees to the devices of one directory whose children are devices. */
static void devices_scan(struct xenbus_driver *driver, const char *dir)
{
    char **names;
    size_t count;
    char node[XENBUS_NODE_MAX];
    if (xenbus_directory(XENBUS_NO_TRANSACTION, dir, &names, &count) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if ((size_t)snprintf(node, sizeof(node), "%s/%s", dir, names[i]) >= sizeof(node)) {
            continue;
        }
        struct xenbus_device *device = device_find(driver, node);
        if (device == NULL) {
            device_add(driver, node);
            device = device_find(driver, node);
        }
        if (device != NULL) {
            device->seen = true;
        }
    }
    free(names);
}

/* A back end's directory has one more level: the domains. */
static void domains_scan(struct xenbus_driver *driver)
{
    char **names;
    size_t count;
    char dir[XENBUS_NODE_MAX];
    if (xenbus_directory(XENBUS_NO_TRANSACTION, driver->path, &names, &count) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if ((size_t)snprintf(dir, sizeof(dir), "%s/%s", driver->path, names[i]) < sizeof(dir)) {
            devices_scan(driver, dir);
        }
    }
    free(names);
}

/* Compares what the store has at `dir` and below with our list. */
static void driver_scan(struct xenbus_driver *driver, const char *dir, bool whole)
{
    for (struct xenbus_device *device = driver->devices; device != NULL; device = device->next) {
        device->seen = !is_below(device->node, dir);
    }
    if (whole && driver->backend) {
        domains_scan(driver);
    } else {
        devices_scan(driver, dir);
    }
    struct xenbus_device *device = driver->devices;
    while (device != NULL) {
        struct xenbus_device *next = device->next;
        if (!device->seen) {
            device_remove(device);
        }
        device = next;
    }
}

/* One device's node, or something below it, has changed. */
static void device_changed(struct xenbus_driver *driver, const char *node, bool itself)
{
    struct xenbus_device *device = device_find(driver, node);
    if (device == NULL) {
        device_add(driver, node);
        return;
    }
    char *value = NULL;
    if (itself && xenbus_read(XENBUS_NO_TRANSACTION, node, &value, NULL) == -XEN_ENOENT) {
        device_remove(device);
    }
    free(value);
}

static void driver_fired(struct xenbus_watch *watch, const char *path)
{
    struct xenbus_driver *driver = watch->context;
    unsigned int levels = driver->backend ? 2 : 1; /* from the driver's path to a device */
    size_t base = strlen(driver->path);
    if (strncmp(path, driver->path, base) != 0 || strlen(path) <= base) {
        driver_scan(driver, driver->path, true);
        return;
    }
    char node[XENBUS_NODE_MAX];
    const char *end = path + base;
    unsigned int depth = 0;
    while (*end == '/' && depth < levels) {
        end += 1 + strcspn(end + 1, "/");
        depth++;
    }
    size_t length = (size_t)(end - path);
    if (length >= sizeof(node)) {
        return;
    }
    memcpy(node, path, length);
    node[length] = '\0';
    if (depth < levels) {
        driver_scan(driver, node, false);
    } else {
        device_changed(driver, node, *end == '\0');
    }
}

int xenbus_driver_register(struct xenbus_driver *driver)
{
    snprintf(driver->path, sizeof(driver->path), "%s%s/%s", driver->backend ? DOM0_PATH : "",
             driver->backend ? "backend" : "device", driver->type);
    driver->watch.path = driver->path;
    driver->watch.fired = driver_fired;
    driver->watch.context = driver;
    return xenbus_watch(&driver->watch);
}

/* What drivers call ------------------------------------------------------------------------------ */
/* In a transaction, so that a device that the toolstack removes meanwhile does not come back. */
int xenbus_device_set_state(struct xenbus_device *device, XenbusState state)
{
    uint64_t old;
    uint32_t tx;
    int error;
    if (device->state == state) {
        return 0;
    }
    do {
        error = xenbus_transaction_start(&tx);
        if (error != 0) {
            return error;
        }
        error = xenbus_read_number(tx, device->node, "state", &old);
        if (error != -XEN_ENOENT) {
            error = xenbus_printf(tx, device->node, "state", "%u", (unsigned int)state);
        }
        int end = xenbus_transaction_end(tx, error != 0);
        error = error != 0 ? error : end;
    } while (error == -XEN_EAGAIN);
    if (error == 0 || error == -XEN_ENOENT) {
        device->state = state;
    }
    return error;
}

void xenbus_device_poke(struct xenbus_device *device)
{
    xenbus_watch_trigger(&device->watch);
}

void xenbus_device_fail(struct xenbus_device *device, int error, const char *format, ...)
{
    char text[160];
    char node[XENBUS_NODE_MAX + 8];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    device->failures++;
    console_printf("%s: %s: %s%s\n", device->node, text, errno_name(error),
                   device->failures == XENBUS_FAILURES_MAX ? "; for the last time" : "");
    error_node(device, node, sizeof(node));
    (void)xenbus_printf(XENBUS_NO_TRANSACTION, node, "error", "%d %s", -error, text);
    (void)xenbus_device_set_state(device, XenbusStateClosing);
}

int xenbus_device_reopen(struct xenbus_device *device)
{
    int error = peer_read(device);
    return error != 0 ? error : xenbus_device_set_state(device, XenbusStateInitialising);
}
