// SPDX-License-Identifier: MIT
/*
 * Makes a domain out of a kernel image, as Xen's own toolstack does: domctl, memory_op, foreign
 * mappings, a pinned root, acquire_resource for the first grant entries. The domain is paused when
 * guest_build returns; on failure nothing of it is left.
 */
#pragma once

#include <stdint.h>
#include <xen/xen.h>

#include "dom0/domctl.h"
#include "dom0/guest_layout.h"

struct guest_build {
    /* in */
    const void *kernel, *initrd;
    size_t kernel_size, initrd_size;
    const char *cmdline;
    uint64_t memory_kib, maxmem_kib;
    struct domctl_limits limits;
    uint8_t uuid[16];
    /* out */
    domid_t domid;
    uint32_t console_port, store_port; /* the guest's ends */
    uint64_t console_mfn, store_mfn;
    struct guest_error error; /* a sentence, after a failure */
};

/* 0 or -XEN_E*. */
int guest_build(struct guest_build *build);
