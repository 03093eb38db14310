// SPDX-License-Identifier: MIT
// The part of paravane_op (paravane.h) that tests use: modules, which a hypervisor may be built without. Then the
// answer is -ENOSYS.
#pragma once

#include "hypercalls/paravane.h"

// paravane_op(PARAVANE_check_frames, struct paravane_check_frames *)
// For tests: counts what all page tables hold and compares it with the counts of the frames. It takes as
// long as the machine has memory, in many rounds, and its answer is right only while nobody else changes page tables.
// 0, or -EPERM without privilege; -ENOMEM; -EFAULT.
#define PARAVANE_check_frames 2

struct paravane_check_frames {
    uint64_t checked; // OUT: frames in use
    uint64_t bad;     // OUT: frames whose counts cannot be right
    // OUT: the last bad one: its number, counts and type (hypervisor/frame.h), and what tables hold of it
    uint64_t mfn, count, type, table_references, table_uses;
};

// paravane_op(PARAVANE_longest_call, struct paravane_longest_call *)
// For tests: how long a hypercall has kept its CPU at most since boot, without a look for pending work.
// 0 cycles unless built with TIMED=1. 0, or -ENOSYS no such call; -EFAULT.
#define PARAVANE_longest_call 3

struct paravane_longest_call {
    uint32_t call;   // IN: __HYPERVISOR_*
    uint32_t subop;  // OUT: its sub-operation then
    uint64_t cycles; // OUT: of the TSC; instructions under QEMU's -icount shift=0
};
