// SPDX-License-Identifier: MIT
/*
 * Start-up functions of the kernel core, in the order in which start.c calls them, and the few
 * functions that its files share and nobody else needs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

struct trap_frame;
struct thread;

_Noreturn void start_main(struct start_info *info);

void console_start_early(void); /* output works from here on */
void event_start(void);         /* all ports masked */
void time_start(void);          /* needs page_start */
void grant_start(void);
void console_start(void); /* input and blocking output; needs threads */
void control_start(void); /* listens to the toolstack; needs threads */

/* Turns the running context into nothing and runs the first thread. */
_Noreturn void thread_start(void (*fn)(void *arg), void *arg);

/* Where the reserve at the end of the running thread's stack begins (entry.S); 0 before there is one. */
extern uint64_t thread_stack_limit;

/* Maps a frame of our grant table. */
bool grant_table_map(void *address, xen_pfn_t frame);

/* Called by the entry code. */
void trap_dispatch(struct trap_frame *frame);
void trap_failsafe(void);
_Noreturn void trap_stack_overflow(const uint64_t *stack);
void thread_switch_stack(uint64_t *save_rsp, uint64_t new_rsp);
