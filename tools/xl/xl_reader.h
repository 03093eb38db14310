// SPDX-License-Identifier: MIT
/* Between xl_config.c (what the file as a whole says) and xl_values.c (what each key takes). */
#pragma once

#include "tools/xl/xl_config.h"

#define XL_NO_NUMBER INT64_MIN

struct xl_reader {
    const char *file;
    struct xl_messages *messages;
    struct xl_config *config;
    /* as given; NULL and XL_NO_NUMBER: not at all */
    const char *name, *kernel, *ramdisk, *cmdline, *root, *extra;
    int64_t memory, maxmem, vcpus, maxvcpus;
    int64_t weight, cap, grant_frames, grant_version, maptrack_frames, event_channels, time_offset;
    const struct xl_setting *hard, *soft; /* cpus=, cpus_soft=: wait for maxvcpus */
    const struct xl_setting *vnuma;
};

#define xl_fail(r, at, format, ...)                                                                \
    xl_say((r)->messages, (r)->file, (at), "error: " format __VA_OPT__(, ) __VA_ARGS__)
#define xl_warn(r, at, format, ...)                                                                \
    xl_say((r)->messages, (r)->file, (at), "warning: " format __VA_OPT__(, ) __VA_ARGS__)

/* Takes the value of a key that is honoured; false after a message. */
bool xl_setting_take(struct xl_reader *r, const struct xl_setting *setting);
/* What cpus= or cpus_soft= says for the vcpus; setting NULL: nothing. */
bool xl_affinity_take(struct xl_reader *r, const struct xl_setting *setting, struct xl_cpus **cpus,
                      unsigned int *count);
/* vnuma= may describe the one node that there is; sets maxmem and maxvcpus. */
bool xl_vnuma_take(struct xl_reader *r, const struct xl_setting *setting);
