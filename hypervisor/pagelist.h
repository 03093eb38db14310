// SPDX-License-Identifier: MIT
// The list of frames that a domain owns, or that are free: links are frame numbers inside
// struct frame (hypervisor/frame.h has the operations). Frame 0 is never on a list, so 0 ends it.
#pragma once

#include <stdint.h>

struct page_list {
    uint32_t first, last; // frame numbers, 0 = empty
    uint64_t count;       // frames on the list
};
