// SPDX-License-Identifier: MIT
// Switching a CPU from one vcpu to another.
//
// Each CPU has one stack; a vcpu that does not run is a struct vcpu and nothing on a stack. So a
// switch saves the registers from the top of the stack and what lives in the CPU (segments and their
// bases, FPU, debug registers), loads the next one's and leaves by the exit path with a fresh stack.
// Everything is saved and restored eagerly: nothing of one guest is ever visible to the next.
#pragma once

#include "hypervisor/domain.h"

// Make `next` the current vcpu of this CPU and run it. Called by the scheduler from SOFTIRQ_SCHEDULE
// without locks; does not return. Calls sched_context_saved(prev) once nothing of prev is in use on
// this CPU any more, so that another CPU may run or inspect it.
void context_switch(struct vcpu *prev, struct vcpu *next) __attribute__((noreturn));

// Let this CPU's idle vcpu run for the first time; does not return.
void context_start_idle(void) __attribute__((noreturn));

// Change between guest kernel and guest user mode: root and GS bases. The running vcpu only.
void toggle_guest_mode(struct vcpu *v);

// Read the segment bases back from the CPU into v->traps. The running vcpu only.
void vcpu_save_segments(struct vcpu *v);

// CR4 as a guest sees it that has asked for `wanted`: bits that are not its own are dropped.
uint64_t context_guest_cr4(uint64_t wanted);

// Load CR4 as the running vcpu's virtual register asks for; the same for enabled breakpoints.
void context_load_cr4(const struct vcpu *v);
void context_load_debugregs(const struct vcpu *v);

// --- fpu.c
// Enable FPU and extended states on this CPU; each CPU, at start, after CR4 is set up.
void fpu_init_local(void);

unsigned fpu_image_order(void); // pages of an image, as an order
void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);
void fpu_reset(struct vcpu *v); // power-on values into the image

// Copy the FXSAVE part of a vcpu that is off every CPU (512 bytes), or set it (sanitised).
void fpu_get_image(const struct vcpu *v, void *image);
void fpu_set_image(struct vcpu *v, const void *image);

// --- entry.S: continue at `target` with nothing on the stack but the guest's registers; when it
// returns, the CPU leaves to the guest.
void stack_reset_and_jump(struct cpu_user_regs *regs, void (*target)(void))
    __attribute__((noreturn));
