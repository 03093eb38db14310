// SPDX-License-Identifier: MIT
// Clocks of the PC that time.c calibrates against and starts from.
#pragma once

#include "hypervisor/types.h"

// A counter of known frequency: `read` gives its low bits, `mask` says which are valid.
struct time_source {
    const char *name;
    uint64_t hz;
    uint32_t mask;
    uint32_t (*read)(void);
};

// The best reference of this machine, started: the ACPI PM timer, else channel 2 of the PIT.
const struct time_source *time_source_select(void);

// The battery clock in seconds since 1970, UTC; 0 if it does not answer sensibly.
uint64_t rtc_read(void);
