// SPDX-License-Identifier: MIT
/*
 * Exceptions of this domain. Without a handler an exception prints registers, a stack trace and
 * the stack, and ends the domain (SHUTDOWN_crash).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What the entry code leaves on the stack, lowest address first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector;
    uint64_t error_code; /* 0 where the exception has none */
    uint64_t rip, cs, rflags, rsp, ss;
};

#define TRAP_VECTORS 32

/* Returns true if it dealt with the exception (perhaps by changing the frame); then execution goes
 * on from the frame. The handler runs on the interrupted stack, returns without having blocked, and does
 * not raise its own exception: that is a double fault and ends the domain. */
typedef bool trap_handler(struct trap_frame *frame);

/* Installs a handler for vectors 0-31 (NULL: the default again); gives back the old one. */
trap_handler *trap_set_handler(unsigned int vector, trap_handler *handler);

/* CR2 of the last page fault. */
uint64_t trap_fault_address(void);

/* Prints text and a stack trace and ends the domain. */
_Noreturn void trap_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Our own faults. */
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            trap_panic("%s:%d: %s is false", __FILE__, __LINE__, #condition);                      \
        }                                                                                          \
    } while (0)
