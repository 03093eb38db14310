// SPDX-License-Identifier: MIT
// See hostile.c.
#pragma once

#include "tests/fuzz/fuzz.h"

extern const struct fuzz_operation hostile_operations[];

// Start up to `count` racing vcpus.
void hostile_start(unsigned int count);
// Stop them and have the hypervisor check its frame table: true if it is right.
bool hostile_finish(void);
