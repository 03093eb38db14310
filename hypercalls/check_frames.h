// SPDX-License-Identifier: MIT
// See check_frames.c.
#pragma once

#include "hypercalls/paravane.h"
#include "hypervisor/refusal.h"

// REFUSE_NO_MEMORY when there is no room for the counts.
enum refusal check_frames(struct paravane_check_frames *result);
