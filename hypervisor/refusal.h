// SPDX-License-Identifier: MIT
// Typed refusals: why a request of a guest was turned down.
//
// The cores (frames and page types, event/, grant/, sched/) return an `enum refusal`; REFUSE_NONE
// (0) is success. The shells in hypercalls/ turn it into -errno and leave a reason record in the
// caller's ring (`refuse()` in hypercalls/call.h). hypervisor/refusals.def is the one table:
// identifier, errno, words; it also feeds docs/abi.md and the conformance suite.
#pragma once

enum refusal {
    REFUSE_NONE = 0,
#define REFUSAL(id, error, words) REFUSE_##id,
#include "hypervisor/refusals.def"
#undef REFUSAL
    REFUSAL_COUNT,
    // Not a refusal: the operation has stopped at a safe point and wants to be continued. Private to
    // the hypervisor, it never reaches a guest.
    REFUSE_CONTINUE = 0x7fff,
};

// The negative Xen error number of a refusal; 0 for REFUSE_NONE.
int refusal_errno(enum refusal r);

// A few words for people, without a full stop.
const char *refusal_words(enum refusal r);

// The identifier as written in refusals.def.
const char *refusal_name(enum refusal r);
