// SPDX-License-Identifier: MIT
// Frames that are only counted, for the tests of cores that hold pages of a guest but know nothing of
// types: the machine memory of hypervisor/paging.h, an owner and a count of WRITABLE references each.
#include "hypervisor/domain.h"
#include "hypervisor/page_type.h"
#include "hypervisor/panic.h"

static struct frame table[HOST_FRAMES];
struct frame *const host_frame_table = table;
uint8_t host_ram[HOST_FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));
bool frame_chunk_present[FRAME_CHUNKS] = {true};

// FRAME_RAM is set by the test, for the frames that exist, with the owner.
enum refusal frame_get_and_type(struct frame *f, const struct domain *d, enum page_type type,
                                struct type_work *w)
{
    ASSERT(type == PAGE_TYPE_WRITABLE && !w);
    if (f->owner != d)
        return REFUSE_FRAME_NOT_OWNED;
    f->count++;
    return REFUSE_NONE;
}

void frame_put_and_type(struct frame *f, struct type_work *w)
{
    ASSERT(frame_refs(f) > 0 && !w);
    f->count--;
}
