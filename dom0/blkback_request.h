// SPDX-License-Identifier: MIT
/*
 * What blkback believes of a ring entry. Pure: takes copies of what the front end wrote, gives a
 * checked description, so it is tested on the host.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvguest/ring.h"
#include <xen/io/blkif.h>

/* Segments of one request that we offer (feature-max-indirect-segments). */
#define BLKBACK_SEGMENTS_MAX 32U

struct blkback_segment {
    grant_ref_t grant;
    uint16_t offset; /* bytes, within the page */
    uint16_t length; /* bytes, 512..4096 */
};

enum blkback_verdict {
    BLKBACK_GO,          /* do it */
    BLKBACK_INDIRECT,    /* fetch segment_count segments from `indirect`, then blkback_segments */
    BLKBACK_UNSUPPORTED, /* answer BLKIF_RSP_EOPNOTSUPP */
    BLKBACK_NONSENSE     /* no correct front end sends this */
};

struct blkback_request {
    uint64_t id;
    uint8_t operation; /* for the answer: as it came, of an indirect request the inner one */
    bool write;
    bool flush;
    uint64_t sector;
    uint32_t segment_count;
    grant_ref_t indirect;
    struct blkback_segment segments[BLKBACK_SEGMENTS_MAX];
    const char *why; /* with BLKBACK_NONSENSE */
};

/* `entry` is a private copy of the ring entry; `sectors` is the size of the disk. */
enum blkback_verdict blkback_decode(const struct blkif_request *entry, uint64_t sectors,
                                    struct blkback_request *request);
/* Takes request->segment_count segments and checks the whole against the disk's size. */
enum blkback_verdict blkback_segments(const struct blkif_request_segment *segments,
                                      uint64_t sectors, struct blkback_request *request);
