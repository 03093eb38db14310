// SPDX-License-Identifier: MIT
/*
 * The text of a disk= entry as libxlutil of Xen 4.17 reads it: words, `key=value` words and
 * positional ones (target, format, vdev, access), behind prefixes that are no longer recommended
 * ("phy:", "tap:aio:", "qcow2:"). What can be had here is another question: xl_disk_parse().
 */
#pragma once

#include <stdbool.h>

#include "tools/xl/xl_config.h"

enum xl_disk_format { XL_FORMAT_UNKNOWN, XL_QCOW, XL_QCOW2, XL_VHD, XL_RAW, XL_EMPTY, XL_QED };
enum xl_disk_backend { XL_BACKEND_UNKNOWN, XL_PHY, XL_TAP, XL_QDISK, XL_STANDALONE };
enum xl_choice { XL_UNSAID, XL_NO, XL_YES };

struct xl_disk_spec {
    const char *target, *vdev, *script, *backend; /* NULL: not given */
    const char *colo_host, *colo_export, *active_disk, *hidden_disk;
    enum xl_disk_format format;
    enum xl_disk_backend backendtype;
    enum xl_choice discard, colo, trusted;
    bool readonly, cdrom, direct_io_safe;
    bool has_specification, virtio;
    int colo_port;
};

/* False, and a few words in `why`. */
bool xl_disk_spec_read(struct xl_memory *memory, struct xl_disk_spec *spec, const char *text,
                       struct xl_why *why);
