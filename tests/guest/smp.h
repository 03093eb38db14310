// SPDX-License-Identifier: MIT
// More vcpus for cases: each one does a piece of work whenever it is brought up, then takes itself down.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

#define SMP_VCPUS                                                                                  \
    16 // 0 runs the cases; the last one is for suite vcpus, which wants it as it was made

// A context that vcpu `id` can start with: it waits for work in the kernel's address space.
void smp_context(unsigned int id, struct vcpu_guest_context *context);

// VCPUOP_initialise with it: 0, or -EEXIST when a case has done that before.
long smp_initialise(unsigned int id);

// Gives a vcpu its work (NULL: none) and brings it up; it gets its number.
typedef void smp_work(unsigned int me);
void smp_start(unsigned int id, smp_work *work);
// Waits until it is down again; false when it takes seconds.
bool smp_wait(unsigned int id);
// Both for all of 1 .. SMP_VCPUS - 1.
void smp_start_all(smp_work *work);
bool smp_wait_all(void);

// Times that a vcpu has done its work.
extern volatile unsigned long smp_ran[SMP_VCPUS];

void smp_yield(void);
