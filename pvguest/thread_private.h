// SPDX-License-Identifier: MIT
/* Shared by thread.c and wait.c. */
#pragma once

struct thread;

/* Puts the thread into the run queue unless it is there already. From any context. */
void thread_make_runnable(struct thread *thread);
/* Runs other threads until somebody makes the current one runnable. */
void thread_schedule(void);
