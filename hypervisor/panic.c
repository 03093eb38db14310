// SPDX-License-Identifier: MIT
// The crash report.
//
// The report trusts nothing: it takes the console over, prints registers and every value on the
// stack that points into text (the code is built without frame pointers, so some lines are stale), and
// stops. A second fault inside the report halts at once.
//
// The symbol table is made from the linked image (tools/symbols.py) and linked in by a second pass; in the
// first pass its section is empty. It holds the number of symbols, their offsets from text_start in
// ascending order, and the names one after the other, each with its length before it.
#include "hypervisor/boot.h"
#include "hypervisor/console.h"
#include "hypervisor/domain.h"
#include "hypervisor/power.h"
#include "hypervisor/smp.h"

#define TRACE_LINES 24
#define RESTART_WAIT_US 5000000

static unsigned panic_depth; // atomic

static bool is_text(uint64_t address)
{
    return address >= (uint64_t)text_start && address < (uint64_t)text_end;
}

// "name+0x12" of a text address into `buffer`.
static const char *symbol_format(uint64_t address, char *buffer, size_t size)
{
    const uint32_t *count = (const uint32_t *)symbols_start, *offset = count + 1;
    uint32_t wanted = (uint32_t)(address - (uint64_t)text_start), index = 0;

    if (!is_text(address) || &symbols_start[0] == &symbols_end[0]) {
        snprintf(buffer, size, "%#lx", address);
        return buffer;
    }
    const uint8_t *name = (const uint8_t *)(offset + *count);
    while (index + 1 < *count && offset[index + 1] <= wanted) {
        name += 1 + name[0];
        index++;
    }
    snprintf(buffer, size, "%.*s+%#x", name[0], (const char *)name + 1, wanted - offset[index]);
    return buffer;
}

// The part of RSP's stack that is in use: of an IST page, or of the main stack. After an overflow RSP
// points into the guard page, and the whole main stack counts. Empty when RSP is no stack of ours.
static void stack_bounds(uint64_t rsp, uint64_t *start, uint64_t *end)
{
    uint64_t area = rsp & ~(uint64_t)(CPU_STACK_SIZE - 1), page = (rsp - area) / PAGE_SIZE;
    bool is_window = area >= CPU_WINDOW_START && area < IOREMAP_START &&
                     (area & (CPU_WINDOW_SIZE - 1)) == CPU_WINDOW_STACK;
    *start = rsp & ~7ul;
    *end = area + CPU_STACK_SIZE - sizeof(struct cpu_info);
    if (!is_window && (rsp < (uint64_t)data_start || rsp >= (uint64_t)image_end))
        *end = 0;
    else if (is_window && page == CPU_STACK_GUARD_PAGE)
        *start = area + (CPU_STACK_GUARD_PAGE + 1) * PAGE_SIZE;
    else if (is_window && page < CPU_STACK_GUARD_PAGE)
        *end = area + (page + 1) * PAGE_SIZE;
}

static void stack_print(uint64_t rsp)
{
    uint64_t at, end;
    char name[80];
    unsigned lines = 0;

    log_error("Call trace (values on the stack that point into text):");
    for (stack_bounds(rsp, &at, &end); at < end && lines < TRACE_LINES; at += 8) {
        uint64_t value = *(const uint64_t *)at;
        if (!is_text(value))
            continue;
        // A return address may be that of the next function, after a call that never returns.
        log_error("  %016lx %s", value, symbol_format(value - 1, name, sizeof(name)));
        lines++;
    }
}

static void regs_print(const struct cpu_user_regs *r)
{
    char name[80];

    log_error("RIP %04x:%016lx %s", r->cs, r->rip, symbol_format(r->rip, name, sizeof(name)));
    log_error("RSP %04x:%016lx RFLAGS %08lx vector %#x error %#x", r->ss, r->rsp, r->rflags,
              r->entry_vector, r->error_code);
    log_error("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    log_error("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", r->rsi, r->rdi, r->rbp, r->r8);
    log_error("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", r->r9, r->r10, r->r11, r->r12);
    log_error("r13 %016lx r14 %016lx r15 %016lx", r->r13, r->r14, r->r15);
    log_error("cr0 %08lx cr2 %016lx cr3 %012lx cr4 %08lx", read_cr0(), read_cr2(), read_cr3(),
              read_cr4());
}

void panic_with_regs(const struct cpu_user_regs *regs, const char *format, ...)
{
    const struct vcpu *v = current_vcpu();
    va_list args;

    irq_disable();
    if (__atomic_fetch_add(&panic_depth, 1, __ATOMIC_SEQ_CST) > 0) {
        for (;;)
            cpu_halt();
    }
    smp_stop_others();
    console_force();
    log_set_level(LOG_INFO);
    log_error("*** Paravane panic on CPU %u:", this_cpu_id());
    va_start(args, format);
    vprintk(LOG_ERROR, format, args);
    va_end(args);
    if (regs)
        regs_print(regs);
    if (!regs || (regs->cs & 3) == 0)
        stack_print(regs ? regs->rsp : read_rsp());
    if (v)
        log_error("CPU %u ran d%uv%u", this_cpu_id(), v->domain->id, v->id);
    power_restart(RESTART_WAIT_US);
}
