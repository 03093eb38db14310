// SPDX-License-Identifier: MIT
// Long work on page tables and what of it waits to be continued. Part of page_type.h; apart because
// struct vcpu and struct domain embed it.
#pragma once

#include <stdint.h>

// Long work on tables stops when `budget` (entries looked at) is used up. What is left over is kept
// here: at most one table a level on its way down, whose references now belong to this structure.
// One for each vcpu, one for each dying domain. Begin with type_work_begin; while it does not return
// REFUSE_NONE start nothing else.
#define TYPE_WORK_LEVELS 5
struct type_work {
    int64_t budget;
    uint32_t pending[TYPE_WORK_LEVELS]; // frame numbers by level, 0 = none
};
