// SPDX-License-Identifier: MIT
/*
 * What an xl.cfg file asks for. xl_syntax.h has its grammar, xl_keys.c the list of all keys, and
 * docs/xl-cfg.md says of each key and each word of disk= and vif= whether it is honoured, changes
 * nothing here, or is refused.
 *
 * Pure: no files. Strings are never NULL: "" is what was not given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/xl/xl_memory.h"
#include "tools/xl/xl_syntax.h"

#define XL_CMDLINE_MAX 1024U /* with its end: MAX_GUEST_CMDLINE of xen.h */
#define XL_NAME_MAX 1024U    /* with its end: the store's values and messages hold more */
#define XL_VCPUS_MAX 32U     /* vcpus that a domain can have */
#define XL_CPUS_MAX 1024U    /* processors that cpus= can name */

enum xl_action {
    XL_DESTROY,
    XL_RESTART,
    XL_RENAME_RESTART,
    XL_PRESERVE,
    XL_COREDUMP_DESTROY,
    XL_COREDUMP_RESTART,
};

struct xl_disk {
    const char *target; /* name of a block device of the back end's domain; "": an empty drive */
    const char *vdev;   /* "xvda" */
    uint32_t number;    /* as in the node's name: 51712 for xvda */
    bool readonly, cdrom;
    bool untrusted; /* the front end is told not to trust the back end */
};

#define XL_VIF_ANY (~0U)

struct xl_vif {
    uint8_t mac[6];
    bool has_mac;
    bool untrusted;
    bool foreign_addresses; /* it may send with addresses that are not its own */
    uint32_t id;            /* as in the node's name; XL_VIF_ANY: none was asked for */
    const char *bridge;     /* "": the default */
    const char *ip, *script;
    const char *name;    /* in dom0; "": vifDOMID.ID */
    unsigned int mtu;    /* what the guest is told */
    uint64_t rate_bytes; /* what it may send within each interval, if that is not 0 */
    uint32_t rate_usecs;
};

struct xl_cpus {
    uint8_t bits[XL_CPUS_MAX / 8];
};

/* -1: not given */
struct xl_limits {
    int64_t grant_frames, maptrack_frames, event_channels;
    int64_t weight, cap;
};

struct xl_config {
    struct xl_memory *memory; /* has all that is pointed to */
    const char *name;
    const char *kernel, *ramdisk;
    const char *cmdline;
    uint64_t memory_kib, maxmem_kib;
    unsigned int vcpus, maxvcpus;
    uint8_t uuid[16];
    bool has_uuid;
    bool native_tsc;     /* asked for, not only the default */
    int64_t time_offset; /* seconds of the guest's wall clock */
    struct xl_limits limits;
    struct xl_cpus *hard, *soft; /* the first vcpus' processors; the others run on all */
    unsigned int hard_count, soft_count;
    struct xl_disk *disks;
    unsigned int disk_count;
    struct xl_vif *vifs;
    unsigned int vif_count;
    enum xl_action on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset;
};

/* False after an error, which was printed. `file` is only for messages. Either way the configuration
 * is to be given back. */
bool xl_config_parse(struct xl_config *config, const char *file, const char *text, size_t length,
                     struct xl_messages *messages);
/* A copy that lives on by itself, but shares all that is pointed to. */
struct xl_config xl_config_copy(const struct xl_config *config);
void xl_config_free(struct xl_config *config);
/* False: no memory. */
bool xl_config_rename(struct xl_config *config, const char *name);
const char *xl_action_name(enum xl_action action);

/* A few words about what is wrong. */
struct xl_why {
    char text[240];
};
/* Always false. */
bool xl_because(struct xl_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One entry of disk= or vif=: false, and words in `why`. */
bool xl_disk_parse(struct xl_memory *memory, struct xl_disk *disk, const char *text,
                   struct xl_why *why);
bool xl_vif_parse(struct xl_memory *memory, struct xl_vif *vif, const char *text,
                  struct xl_why *why);
/* "xvda", "sda1", "hdc", "d0p1", "51712" to the number in xenstore; false if it is none of them. */
bool xl_vdev_number(const char *vdev, uint32_t *number);
/* "10MB/s@20ms" */
bool xl_rate_parse(const char *text, uint64_t *bytes, uint32_t *usecs, struct xl_why *why);
/* "0-3,^1,nodes:0": processors are added and taken out in that order. */
bool xl_cpus_parse(struct xl_cpus *cpus, const char *text, struct xl_why *why);
