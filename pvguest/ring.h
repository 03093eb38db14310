// SPDX-License-Identifier: MIT
/*
 * Xen's shared rings (xen/io/ring.h) with the barriers that they ask for. x86 keeps loads and
 * stores in order but lets a load pass an earlier store, so only xen_mb is an instruction.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/xen.h>
#include <xen/io/ring.h>
