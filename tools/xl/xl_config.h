// SPDX-License-Identifier: MIT
/*
 * Domain configuration files in xl.cfg's syntax: KEY = VALUE, where a value is a number, a string
 * in single or double quotes, or a list of strings in brackets; '#' starts a comment, a statement
 * ends at the end of its line or at ';'. Lists may run over lines and end in a comma.
 *
 * Pure: no files, no allocation kept. Positions in messages are "FILE:LINE:COLUMN", from 1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XL_DISKS_MAX 16U
#define XL_VIFS_MAX 8U
#define XL_NAME_MAX 64U
#define XL_PATH_MAX 128U
#define XL_CMDLINE_MAX 1024U

enum xl_action { XL_DESTROY, XL_RESTART, XL_RENAME_RESTART, XL_PRESERVE };

struct xl_disk {
    char target[XL_PATH_MAX]; /* name of a block device of the back end's domain */
    char vdev[16];            /* "xvda" */
    uint32_t number;          /* as in the node's name: 51712 for xvda */
    bool readonly, cdrom;
};

struct xl_vif {
    uint8_t mac[6];
    bool has_mac;
    char bridge[16]; /* "": the default */
    char ip[64];
    char script[32];
};

struct xl_config {
    char name[XL_NAME_MAX];
    char kernel[XL_PATH_MAX], ramdisk[XL_PATH_MAX];
    char cmdline[XL_CMDLINE_MAX];
    uint64_t memory_kib, maxmem_kib;
    unsigned int vcpus, maxvcpus;
    uint8_t uuid[16];
    bool has_uuid;
    struct xl_disk disks[XL_DISKS_MAX];
    unsigned int disk_count;
    struct xl_vif vifs[XL_VIFS_MAX];
    unsigned int vif_count;
    enum xl_action on_poweroff, on_reboot, on_crash;
};

/* Where messages go: warnings are followed by success, an error is the last. */
struct xl_messages {
    void (*print)(struct xl_messages *messages, const char *line);
    void *context;
};

/* False after an error, which was printed. `file` is only for messages. */
bool xl_config_parse(struct xl_config *config, const char *file, const char *text, size_t length,
                     struct xl_messages *messages);

/* One entry of disk= or vif=: false, and a few words in `why`. */
bool xl_disk_parse(struct xl_disk *disk, const char *text, char *why, size_t why_size);
bool xl_vif_parse(struct xl_vif *vif, const char *text, char *why, size_t why_size);
/* "xvda", "sda1", "hdc", "d0p1" to the number in xenstore; false if it is none of them. */
bool xl_vdev_number(const char *vdev, uint32_t *number);
const char *xl_action_name(enum xl_action action);
