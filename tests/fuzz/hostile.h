// SPDX-License-Identifier: MIT
// See hostile.c.
#ifndef TESTS_FUZZ_HOSTILE_H
#define TESTS_FUZZ_HOSTILE_H

#include "tests/fuzz/fuzz.h"

extern const struct fuzz_operation hostile_operations[];

// Start up to `count` racing vcpus.
void hostile_start(unsigned int count);
// Stop them and have the hypervisor check its frame table: true if it is right.
bool hostile_finish(void);

#endif
