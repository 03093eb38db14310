// SPDX-License-Identifier: MIT
// The shape of every hypercall handler, and the shell for multiplexed calls.
//
// A handler gets its arguments as words and returns a value >= 0 or what refuse() gave it. It
// validates everything first, then acts. To be continued it stores its progress in `arg[]` and
// returns CALL_CONTINUE: dispatch writes the arguments back to the registers (or to the multicall
// entry) and the guest executes the same instruction again; nothing earlier is trusted then.
#pragma once

#include "hypercalls/paravane.h"
#include "hypervisor/domain.h"
#include "hypervisor/guestcopy.h"

#define CALL_ARGS 6
#define CALL_NUMBERS 96 // hypercalls are below
// Not canonical, so no address that get_debugreg could give back.
#define CALL_CONTINUE (-0x7fffffffffff0000l)

// A handler that has replaced the guest's registers (iret) or blocked the vcpu returns this: the
// result register is then left alone.
#define CALL_NO_RESULT (-0x7fffffffffff0001l)

struct hypercall {
    struct vcpu *vcpu;
    struct domain *domain; // of vcpu
    unsigned number;       // __HYPERVISOR_*
    uint64_t arg[CALL_ARGS];
    uint32_t subop; // set by the sub-op shell, for the reason record
    bool in_multicall;
    struct domain *target; // of a sub-op with SUBOP_TARGET
};

// The name in hypercalls/table.h, "unknown" if there is none.
const char *hypercall_name(unsigned number);

typedef long hypercall_handler(struct hypercall *c);

#define HYPERCALL(name, arguments, summary) hypercall_handler hypercall_##name;
#include "hypercalls/table.h"
#undef HYPERCALL

// Record why the call is refused and give the value to return. `index` is the number of the argument
// or of the batch entry at fault. REFUSE_NONE gives 0, REFUSE_CONTINUE gives CALL_CONTINUE.
long refuse(struct hypercall *c, enum refusal r, unsigned index);

// True when a long operation should stop and continue: an event or softirq is pending.
bool call_should_yield(void);

// One sub-operation of a multiplexed call whose argument is a pointer to a structure. Tables have them by
// number.
enum subop_copy { SUBOP_NONE, SUBOP_IN = 1, SUBOP_OUT = 2, SUBOP_INOUT = SUBOP_IN | SUBOP_OUT };
// TARGET: the structure begins with the id of the domain that is meant; for the time of the handler there
// is a reference to it in c->target.
enum subop_right { SUBOP_ANY, SUBOP_PRIVILEGED, SUBOP_TARGET, SUBOP_PRIVILEGED_TARGET };

struct subop {
    // `argument` is the copied structure; returns as a handler does. On a value >= 0 the structure is
    // copied back when the direction says so.
    long (*handler)(struct hypercall *c, void *argument);
    uint16_t size; // of the structure behind the pointer
    uint8_t copy;  // enum subop_copy
    uint8_t right; // enum subop_right
};
#define SUBOP(command, type, copy, right, handler)                                                 \
    [command] = {handler, sizeof(type), SUBOP_##copy, SUBOP_##right}
#define SUBOP_BARE(command, handler) [command] = {handler, 0, SUBOP_NONE, SUBOP_ANY}

#define SUBOP_MAX_SIZE 256

// Look `command` up in the table, check the right, copy in, call, copy out. An unknown command is
// REFUSE_NO_SUBOP.
long subop_run(struct hypercall *c, const struct subop *table, size_t count, uint32_t command,
               uint64_t guest_pointer);

// Handlers in modules (hypervisor/modules.mk): without the file their rows are empty, so that their calls do not
// exist.
#define IN_MODULE __attribute__((weak))
IN_MODULE hypercall_handler hypercall_xenoprof_op, hypercall_hvm_op, hypercall_kexec_op,
    hypercall_dm_op, hypercall_arch_1, hypercall_xenpmu_op;
IN_MODULE long paravane_op_check_frames(struct hypercall *c, void *argument);
IN_MODULE long paravane_op_longest_call(struct hypercall *c, void *argument);

// --- See longest_call.c, a module. Only in builds with TIMED=1.

#ifdef TIMED
#define CALLS_ARE_TIMED true
#else
#define CALLS_ARE_TIMED false
#endif

// A call begins on this CPU, maybe inside another one, which is returned for longest_call_leave.
const struct hypercall *longest_call_enter(const struct hypercall *c);
void longest_call_leave(const struct hypercall *outer);

// The running call has looked for pending work.
void longest_call_check(void);
