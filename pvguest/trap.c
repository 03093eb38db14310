// SPDX-License-Identifier: MIT
/*
 * Exceptions: dispatch to handlers, and the report that ends a domain whose exception nobody wants.
 * Stack overflow comes from the check in entry.S. What slips through it (one huge frame, a recursion in a
 * library) is not seen here: the hypervisor cannot push a frame on a guard page and ends the domain itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/sched.h>
#include "pvguest/console.h"
#include "pvguest/event.h"
#include "pvguest/format.h"
#include "pvguest/init.h"
#include "pvguest/memory.h"
#include "pvguest/priv.h"
#include "pvguest/thread.h"
#include "pvguest/trap.h"

#define PAGE_FAULT 14U
#define STACK_WORDS 512
#define STACK_LINES 8
#define WORDS_PER_LINE 4
#define TRACE_MAX 24
#define SSE_SAVED_WORDS                                                                            \
    34 /* CALL_WITH_SSE_SAVED; the hypervisor's frames and so ours are aligned */

extern char priv_read_safe_access[], priv_read_safe_fixup[];
extern char image_start[], image_text_end[];
extern char trap_dispatch_returns[];

static trap_handler *handlers[TRAP_VECTORS];
static uint64_t fault_address;

static const char *const names[TRAP_VECTORS] = {"divide error",
                                                "debug",
                                                "NMI",
                                                "breakpoint",
                                                "overflow",
                                                "bound range",
                                                "invalid opcode",
                                                "device not available",
                                                "double fault",
                                                NULL,
                                                "invalid TSS",
                                                "segment not present",
                                                "stack fault",
                                                "general protection",
                                                "page fault",
                                                NULL,
                                                "x87 error",
                                                "alignment check",
                                                "machine check",
                                                "SIMD error",
                                                NULL,
                                                "control protection"};

trap_handler *trap_set_handler(unsigned int vector, trap_handler *handler)
{
    trap_handler *old = handlers[vector];
    handlers[vector] = handler;
    return old;
}

uint64_t trap_fault_address(void)
{
    return fault_address;
}

/* Report ---------------------------------------------------------------------------------------- */

/* Words of the stack that look like return addresses: `addr2line -e GUEST.elf` names them. */
static void print_trace(const uint64_t *stack)
{
    uint64_t value;
    int found = 0;

    console_print("trace:");
    for (int i = 0; i < STACK_WORDS && found < TRACE_MAX; i++) {
        if (!priv_read_safe(&stack[i], &value)) {
            break;
        }
        if (value > (uint64_t)image_start && value < (uint64_t)image_text_end) {
            console_printf("%s %lx", found % 6 == 0 && found > 0 ? "\n      " : "", value);
            found++;
        }
    }
    console_print("\n");
}

static void print_stack(const uint64_t *stack)
{
    uint64_t value;
    for (int line = 0; line < STACK_LINES; line++) {
        console_printf("  %016lx:", (uint64_t)stack);
        for (int i = 0; i < WORDS_PER_LINE; i++, stack++) {
            if (!priv_read_safe(stack, &value)) {
                console_print(" (not mapped)\n");
                return;
            }
            console_printf(" %016lx", value);
        }
        console_print("\n");
    }
}

static void print_frame(const struct trap_frame *f)
{
    console_printf("rip %04lx:%016lx rflags %08lx\n", f->cs & 0xffff, f->rip, f->rflags);
    console_printf("rsp %04lx:%016lx cr2 %016lx\n", f->ss & 0xffff, f->rsp, fault_address);
    console_printf("rax %016lx rbx %016lx rcx %016lx\n", f->rax, f->rbx, f->rcx);
    console_printf("rdx %016lx rsi %016lx rdi %016lx\n", f->rdx, f->rsi, f->rdi);
    console_printf("rbp %016lx r8  %016lx r9  %016lx\n", f->rbp, f->r8, f->r9);
    console_printf("r10 %016lx r11 %016lx r12 %016lx\n", f->r10, f->r11, f->r12);
    console_printf("r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
}

static const char *exception_name(const struct trap_frame *frame)
{
    const char *name = frame->vector < TRAP_VECTORS ? names[frame->vector] : NULL;
    return name == NULL ? "reserved" : name;
}

static _Noreturn void double_fault(const struct trap_frame *frame, const char *within)
{
    console_printf("\nDOUBLE FAULT: exception %lu (%s) at rip %lx, cr2 %lx, within %s\n",
                   frame->vector, exception_name(frame), frame->rip, fault_address, within);
    priv_shutdown(SHUTDOWN_crash);
}

/* A fault (NULL: a panic) while another is reported: one line more; from a third on, no words. */
static void enter_report(const struct trap_frame *frame)
{
    static unsigned int reports;
    event_save();
    if (reports++ == 0) {
        return;
    }
    if (reports == 2 && frame != NULL) {
        double_fault(frame, "the report of another fault");
    }
    if (reports == 2) {
        console_print("\nDOUBLE FAULT: a panic within the report of another fault\n");
    }
    priv_shutdown(SHUTDOWN_crash);
}

static _Noreturn void trap_report(const struct trap_frame *frame)
{
    enter_report(frame);
    console_printf("\nUNHANDLED EXCEPTION %lu (%s), error code %lx, thread %s\n", frame->vector,
                   exception_name(frame), frame->error_code, thread_name(thread_current()));
    print_frame(frame);
    print_trace((const uint64_t *)frame->rsp);
    print_stack((const uint64_t *)frame->rsp);
    priv_shutdown(SHUTDOWN_crash);
}

_Noreturn void trap_panic(const char *format, ...)
{
    char text[256];
    va_list args;

    enter_report(NULL);
    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    console_printf("\nPANIC in thread %s: %s\n", thread_name(thread_current()), text);
    print_trace((const uint64_t *)__builtin_frame_address(0));
    priv_shutdown(SHUTDOWN_crash);
}

/* The trap frame of the innermost exception below `*from` whose handler has not returned, looked for in the
 * last words of a full stack; `*from` then lies behind it. */
static bool handled_exception(const uint64_t **from, const uint64_t *end, struct trap_frame *frame)
{
    uint64_t value;

    for (const uint64_t *at = *from; at < end && priv_read_safe(at, &value); at++) {
        if (value == (uint64_t)trap_dispatch_returns) {
            *from = at + 1 + SSE_SAVED_WORDS;
            for (size_t i = 0; i < sizeof(*frame) / sizeof(value); i++) {
                if (!priv_read_safe(*from + i, (uint64_t *)frame + i)) {
                    return false;
                }
            }
            return true;
        }
    }
    return false;
}

/* A handler that needs itself goes round until the stack is full: that is no deep recursion, but a double
 * fault. Found here, so that exceptions cost nothing more. */
_Noreturn void trap_stack_overflow(const uint64_t *stack)
{
    const uint64_t *from = stack;
    struct trap_frame inner, outer;

    enter_report(NULL);
    if (handled_exception(&from, stack + STACK_WORDS, &inner) &&
        handled_exception(&from, stack + STACK_WORDS, &outer) && inner.vector == outer.vector) {
        double_fault(&inner, "the handler of the same exception");
    }
    console_printf("\nSTACK OVERFLOW in thread %s: rsp %lx, function %lx\n",
                   thread_name(thread_current()), (uint64_t)stack, *stack);
    print_trace(stack);
    priv_shutdown(SHUTDOWN_crash);
}

/* Entries --------------------------------------------------------------------------------------- */

void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector == PAGE_FAULT) {
        fault_address = priv_fault_address(); /* before a second fault overwrites it */
    }
    if (frame->rip == (uint64_t)priv_read_safe_access) {
        frame->rip = (uint64_t)priv_read_safe_fixup;
        return;
    }
    trap_handler *handler = frame->vector < TRAP_VECTORS ? handlers[frame->vector] : NULL;
    if (handler == NULL || !handler(frame)) {
        trap_report(frame);
    }
}

void trap_failsafe(void)
{
    trap_panic("failsafe callback: a return by the hypervisor faulted");
}
