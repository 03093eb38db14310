// SPDX-License-Identifier: MIT
// From a SYSCALL of a guest kernel to the handler and back; multicall; reason records.
//
// The table is generated from hypercalls/table.h. A handler that returns CALL_CONTINUE has stored
// its progress in its arguments: they go back to the guest's registers and RIP is set back to the
// SYSCALL instruction, so that the guest repeats the call after whatever was pending.
#include "hypercalls/call.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"

#define SYSCALL_INSTRUCTION_BYTES 2

struct call_row {
    hypercall_handler *handler;
    const char *name;
};

static const struct call_row rows[CALL_NUMBERS] = {
#define HYPERCALL(name, arguments, summary) [__HYPERVISOR_##name] = {hypercall_##name, #name},
#include "hypercalls/table.h"
#undef HYPERCALL
};

const char *hypercall_name(unsigned number)
{
    return number < CALL_NUMBERS && rows[number].name ? rows[number].name : "unknown";
}

long refuse(struct hypercall *c, enum refusal r, unsigned index)
{
    if (r == REFUSE_NONE)
        return 0;
    if (r == REFUSE_CONTINUE)
        return CALL_CONTINUE;
    refusal_ring_add(&c->domain->refusals, &(struct refusal_record){
                                               .time = time_now(),
                                               .rip = guest_regs()->rip,
                                               .index = index,
                                               .vcpu = (uint16_t)c->vcpu->id,
                                               .refusal = (uint16_t)r,
                                               .call = (uint8_t)c->number,
                                               .subop = c->subop,
                                           });
    return refusal_errno(r);
}

bool call_should_yield(void)
{
    if (CALLS_ARE_TIMED)
        longest_call_check();
    return softirq_is_pending() || event_pending(current_vcpu());
}

static long call_run(struct hypercall *c)
{
    if (c->number >= CALL_NUMBERS || !rows[c->number].handler)
        return refuse(c, REFUSE_NO_HYPERCALL, 0);
    if (!CALLS_ARE_TIMED)
        return rows[c->number].handler(c);
    const struct hypercall *outer = longest_call_enter(c);
    long result = rows[c->number].handler(c);
    longest_call_leave(outer);
    return result;
}

void hypercall_dispatch(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct hypercall c = {
        .vcpu = v,
        .domain = v->domain,
        .number = regs->rax > UINT32_MAX ? UINT32_MAX : (unsigned)regs->rax,
        .arg = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
    };
    long result = call_run(&c);

    if (result == CALL_NO_RESULT)
        return;
    if (result != CALL_CONTINUE) {
        regs->rax = (uint64_t)result;
        return;
    }
    regs->rip -= SYSCALL_INSTRUCTION_BYTES;
    regs->rdi = c.arg[0];
    regs->rsi = c.arg[1];
    regs->rdx = c.arg[2];
    regs->r10 = c.arg[3];
    regs->r8 = c.arg[4];
    regs->r9 = c.arg[5];
}

// One entry of a multicall: copied in once; its result (or, when it is to be continued, its changed
// arguments) copied out.
static long multicall_entry(struct hypercall *c, uint64_t address, bool *stop)
{
    struct multicall_entry e;

    if (!guest_read(&e, address, sizeof(e)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    struct hypercall sub = {
        .vcpu = c->vcpu,
        .domain = c->domain,
        .number = e.op > UINT32_MAX ? UINT32_MAX : (unsigned)e.op,
        .in_multicall = true,
    };
    memcpy(sub.arg, e.args, sizeof(sub.arg));
    long result = call_run(&sub);
    if (result == CALL_CONTINUE) {
        uint64_t args_at = address + offsetof(struct multicall_entry, args);
        if (!guest_write(args_at, sub.arg, sizeof(sub.arg)))
            return refuse(c, REFUSE_BAD_POINTER, 0);
        return CALL_CONTINUE;
    }
    if (result ==
        CALL_NO_RESULT) { // as on Xen the entry of iret gets the register that it has loaded
        *stop = true;
        result = (long)guest_regs()->rax;
    }
    if (!guest_write(address + offsetof(struct multicall_entry, result), &result, sizeof(result)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return 0;
}

long hypercall_multicall(struct hypercall *c)
{
    uint64_t address = c->arg[0];
    uint64_t count = ABI_MULTICALL_COUNT_LONG ? c->arg[1] : (uint32_t)c->arg[1];
    bool stop = false;

    if (c->in_multicall)
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    // Each entry is looked at when its turn comes.
    if (!guest_range_ok(address, count ? sizeof(struct multicall_entry) : 0))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    for (uint64_t i = 0; i < count; i++, address += sizeof(struct multicall_entry)) {
        long result = i && call_should_yield() ? CALL_CONTINUE : multicall_entry(c, address, &stop);
        if (result == CALL_CONTINUE) {
            c->arg[0] = address;
            c->arg[1] = count - i;
            return CALL_CONTINUE;
        }
        if (result < 0)
            return result;
        if (stop)
            return CALL_NO_RESULT;
    }
    return 0;
}

long subop_run(struct hypercall *c, const struct subop *table, size_t count, uint32_t command,
               uint64_t guest_pointer)
{
    uint64_t argument[SUBOP_MAX_SIZE / sizeof(uint64_t)];

    c->subop = command;
    if (command >= count || !table[command].handler)
        return refuse(c, REFUSE_NO_SUBOP, 0);
    const struct subop *s = &table[command];
    if (!(s->copy & SUBOP_IN))
        memset(argument, 0, s->size); // a handler may fill only a part
    else if (!guest_read(argument, guest_pointer, s->size))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    if (s->right & SUBOP_PRIVILEGED && !c->domain->is_privileged)
        return refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    if (s->right & SUBOP_TARGET) {
        enum refusal r = domain_lookup_remote(c->domain, *(const domid_t *)argument, &c->target);
        if (r != REFUSE_NONE)
            return refuse(c, r, 0);
    }
    long result = s->handler(c, argument);
    if (s->right & SUBOP_TARGET)
        domain_put(c->target);
    if (result >= 0 && s->copy & SUBOP_OUT && !guest_write(guest_pointer, argument, s->size))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    return result;
}
