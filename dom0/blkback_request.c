// SPDX-License-Identifier: MIT
/*
 * Decoding of blkif requests. Everything is checked before anything is believed: number of
 * segments, first and last sector of each within its page, the sum within the disk.
 */
#include "dom0/blkback_request.h"

#define SECTOR_SIZE 512U
#define SECTORS_PER_PAGE 8U

static enum blkback_verdict nonsense(struct blkback_request *request, const char *why)
{
    request->why = why;
    return BLKBACK_NONSENSE;
}

enum blkback_verdict blkback_segments(const struct blkif_request_segment *segments,
                                      uint64_t sectors, struct blkback_request *request)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        uint8_t first = segments[i].first_sect;
        uint8_t last = segments[i].last_sect;
        if (first > last || last >= SECTORS_PER_PAGE) {
            return nonsense(request, "segment outside its page");
        }
        request->segments[i] = (struct blkback_segment){
            .grant = segments[i].gref,
            .offset = (uint16_t)(first * SECTOR_SIZE),
            .length = (uint16_t)((last - first + 1U) * SECTOR_SIZE)};
        count += last - first + 1U;
    }
    if (request->sector > sectors || count > sectors - request->sector) {
        return nonsense(request, "sectors beyond the end of the disk");
    }
    return BLKBACK_GO;
}

static enum blkback_verdict decode_indirect(const struct blkif_request *entry,
                                            struct blkback_request *request)
{
    struct blkif_request_indirect indirect;
    memcpy(&indirect, entry, sizeof(indirect));
    request->id = indirect.id;
    request->operation = indirect.indirect_op; /* front ends expect this one in the answer */
    request->sector = indirect.sector_number;
    request->segment_count = indirect.nr_segments;
    request->indirect = indirect.indirect_grefs[0];
    request->write = indirect.indirect_op == BLKIF_OP_WRITE;
    if (indirect.indirect_op != BLKIF_OP_READ && indirect.indirect_op != BLKIF_OP_WRITE) {
        return nonsense(request, "indirect request that neither reads nor writes");
    }
    if (indirect.nr_segments == 0 || indirect.nr_segments > BLKBACK_SEGMENTS_MAX) {
        return nonsense(request, "number of segments out of range");
    }
    return BLKBACK_INDIRECT;
}

enum blkback_verdict blkback_decode(const struct blkif_request *entry, uint64_t sectors,
                                    struct blkback_request *request)
{
    _Static_assert(sizeof(struct blkif_request_indirect) <= sizeof(struct blkif_request),
                   "an indirect request fits into a ring entry");
    *request = (struct blkback_request){.id = entry->id,
                                        .operation = entry->operation,
                                        .sector = entry->sector_number,
                                        .segment_count = entry->nr_segments};
    switch (entry->operation) {
    case BLKIF_OP_INDIRECT:
        return decode_indirect(entry, request);
    case BLKIF_OP_FLUSH_DISKCACHE:
        /* Some front ends write data with a flush; what we offer is the empty one. */
        request->flush = true;
        return entry->nr_segments == 0 ? BLKBACK_GO : BLKBACK_UNSUPPORTED;
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        request->write = entry->operation == BLKIF_OP_WRITE;
        if (entry->nr_segments == 0 || entry->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
            return nonsense(request, "number of segments out of range");
        }
        return blkback_segments(entry->seg, sectors, request);
    default:
        return BLKBACK_UNSUPPORTED;
    }
}
