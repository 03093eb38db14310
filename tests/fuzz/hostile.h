// SPDX-License-Identifier: MIT
// The hostile fuzzer, for Paravane alone: wild calls (hostile.c), vcpus that race (racers.c), the longest
// calls that are known (worst.c), and what is asked of the hypervisor afterwards (verdict.c).
#pragma once

#include "tests/fuzz/fuzz.h"

extern const struct fuzz_operation hostile_operations[];

// Start up to `count` racing vcpus; stop them.
#define HOSTILE_RACERS_MAX 3U
void racers_start(unsigned int count);
void racers_stop(void);

// Make those calls once that are suspected of taking long.
void worst_run(void);

// Refused calls of this domain so far.
uint64_t verdict_refusals(void);
// Have the hypervisor check its frame table and tell how long calls have kept their CPU: true if it is right.
bool verdict_print(void);
