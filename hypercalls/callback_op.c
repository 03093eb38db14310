// SPDX-License-Identifier: MIT
// Entry points of the guest kernel: callback_op, set_callbacks (its old form) and nmi_op.
#include "hypercalls/call.h"
#include <xen/callback.h>
#include <xen/nmi.h>

static struct guest_callback *callback_find(struct vcpu_traps *t, unsigned type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &t->event;
    case CALLBACKTYPE_failsafe:
        return &t->failsafe;
    case CALLBACKTYPE_syscall:
        return &t->syscall;
    case CALLBACKTYPE_syscall32:
        return &t->syscall32;
    case CALLBACKTYPE_sysenter:
        return &t->sysenter;
    default:
        return NULL;
    }
}

// The same place as set_trap_table's: either call will do.
static void nmi_handler_set(struct vcpu *v, uint64_t address)
{
    struct trap_info *t = &v->traps.table[X86_NMI];

    // Without a handler an interrupt is lost; its reason is not.
    if (address && v->id == 0 && v->domain->shared_info->arch.nmi_reason)
        __atomic_store_n(&v->traps.nmi_pending, true, __ATOMIC_RELAXED);
    *t = (struct trap_info){.vector = X86_NMI, .cs = FLAT_KERNEL_CS, .address = address};
    TI_SET_IF(t, 1);
}

static enum refusal callback_register(struct vcpu *v, unsigned type, uint64_t address,
                                      bool masks_events)
{
    struct guest_callback *callback = callback_find(&v->traps, type);

    if (!is_canonical(address))
        return REFUSE_ADDRESS_NOT_CANONICAL;
    if (type == CALLBACKTYPE_nmi) {
        nmi_handler_set(v, address);
        return REFUSE_NONE;
    }
    if (!callback)
        return REFUSE_CALLBACK_UNKNOWN;
    *callback = (struct guest_callback){.address = address, .masks_events = masks_events};
    return REFUSE_NONE;
}

static long op_register(struct hypercall *c, void *argument)
{
    const struct callback_register *r = argument;

    return refuse(
        c, callback_register(c->vcpu, r->type, r->address, (r->flags & CALLBACKF_mask_events) != 0),
        1);
}

static long op_unregister(struct hypercall *c, void *argument)
{
    const struct callback_unregister *u = argument;

    if (u->type == CALLBACKTYPE_nmi) {
        nmi_handler_set(c->vcpu, 0);
        return 0;
    }
    return refuse(c,
                  callback_find(&c->vcpu->traps, u->type) ? REFUSE_CALLBACK_FIXED
                                                          : REFUSE_CALLBACK_UNKNOWN,
                  1);
}

static const struct subop callback_ops[] = {
    SUBOP(CALLBACKOP_register, struct callback_register, IN, ANY, op_register),
    SUBOP(CALLBACKOP_unregister, struct callback_unregister, IN, ANY, op_unregister),
};

long hypercall_callback_op(struct hypercall *c)
{
    return subop_run(c, callback_ops, ARRAY_SIZE(callback_ops), (uint32_t)c->arg[0], c->arg[1]);
}

// The old form tells nobody which of the three addresses was bad: such a one is left as it was.
long hypercall_set_callbacks(struct hypercall *c)
{
    callback_register(c->vcpu, CALLBACKTYPE_event, c->arg[0], false);
    callback_register(c->vcpu, CALLBACKTYPE_failsafe, c->arg[1], false);
    callback_register(c->vcpu, CALLBACKTYPE_syscall, c->arg[2], false);
    return 0;
}

static long op_nmi_register(struct hypercall *c, void *argument)
{
    const struct xennmi_callback *n = argument;

    return refuse(c, callback_register(c->vcpu, CALLBACKTYPE_nmi, n->handler_address, true), 1);
}

static long op_nmi_unregister(struct hypercall *c, void *argument)
{
    nmi_handler_set(c->vcpu, 0);
    return 0;
}

static const struct subop nmi_ops[] = {
    SUBOP(XENNMI_register_callback, struct xennmi_callback, IN, ANY, op_nmi_register),
    SUBOP_BARE(XENNMI_unregister_callback, op_nmi_unregister),
};

long hypercall_nmi_op(struct hypercall *c)
{
    return subop_run(c, nmi_ops, ARRAY_SIZE(nmi_ops), (uint32_t)c->arg[0], c->arg[1]);
}
