// SPDX-License-Identifier: MIT
/*
 * Event channels, 2-level: a pending and a mask bit a port, a selector bit for each word of 64
 * ports, one pending flag a vcpu. The hypervisor sets them in the order port, selector, flag; the
 * upcall clears them in the opposite order and each before it looks at the next, so no event is
 * lost. All ports are bound to vcpu 0.
 *
 * Handlers are kept in pages of 256, made when a port in their range is first bound.
 */
#include <stddef.h>
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/init.h"
#include "pvguest/memory.h"
#include "pvguest/priv.h"
#include "pvguest/start.h"

#define PORTS EVTCHN_2L_NR_CHANNELS
#define WORD_BITS 64U
#define TABLE_PORTS (PAGE_SIZE / sizeof(struct binding))

struct binding {
    event_handler *handler;
    void *arg;
};

static struct binding *tables[PORTS / TABLE_PORTS];

unsigned long event_save(void)
{
    return priv_upcalls_save();
}

void event_restore(unsigned long saved)
{
    priv_upcalls_restore(saved);
}

bool event_upcalls_masked(void)
{
    return priv_upcalls_masked();
}

/* The hypervisor starts with everything unmasked. */
void event_start(void)
{
    for (size_t i = 0; i < sizeof(shared_info_page->evtchn_mask) / sizeof(uint64_t); i++) {
        shared_info_page->evtchn_mask[i] = ~0UL;
    }
}

/* Bits ------------------------------------------------------------------------------------------ */

static uint64_t *pending_word(evtchn_port_t port)
{
    return (uint64_t *)&shared_info_page->evtchn_pending[port / WORD_BITS];
}

static uint64_t *mask_word(evtchn_port_t port)
{
    return (uint64_t *)&shared_info_page->evtchn_mask[port / WORD_BITS];
}

static uint64_t port_bit(evtchn_port_t port)
{
    return 1UL << port % WORD_BITS;
}

bool event_is_pending(evtchn_port_t port)
{
    return (__atomic_load_n(pending_word(port), __ATOMIC_ACQUIRE) & port_bit(port)) != 0;
}

void event_clear(evtchn_port_t port)
{
    __atomic_and_fetch(pending_word(port), ~port_bit(port), __ATOMIC_SEQ_CST);
}

void event_mask(evtchn_port_t port)
{
    __atomic_or_fetch(mask_word(port), port_bit(port), __ATOMIC_SEQ_CST);
}

/* A pending event of a masked port has set no selector, so the hypervisor has to be asked; without
 * one, clearing the bit is enough, but only if it is still not pending afterwards. */
void event_unmask(evtchn_port_t port)
{
    __atomic_and_fetch(mask_word(port), ~port_bit(port), __ATOMIC_SEQ_CST);
    if (event_is_pending(port)) {
        struct evtchn_unmask unmask = {.port = port};
        event_mask(port); /* the call acts on masked ports only */
        hypercall_event_channel_op(EVTCHNOP_unmask, &unmask);
    }
}

/* Dispatch -------------------------------------------------------------------------------------- */

static void port_dispatch(evtchn_port_t port)
{
    const struct binding *table = tables[port / TABLE_PORTS];
    const struct binding *binding = table == NULL ? NULL : &table[port % TABLE_PORTS];

    if (binding == NULL || binding->handler == NULL) {
        event_mask(port); /* somebody polls it, or it is being closed */
        return;
    }
    event_clear(port);
    binding->handler(port, binding->arg);
}

void event_dispatch(void)
{
    struct vcpu_info *vcpu = &shared_info_page->vcpu_info[0];

    while (__atomic_exchange_n(&vcpu->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST) != 0) {
        uint64_t words = __atomic_exchange_n((uint64_t *)&vcpu->evtchn_pending_sel, 0,
                                             __ATOMIC_SEQ_CST);
        while (words != 0) {
            unsigned int word = (unsigned int)__builtin_ctzl(words);
            words &= words - 1;
            uint64_t ports = __atomic_load_n(pending_word(word * WORD_BITS), __ATOMIC_ACQUIRE) &
                             ~__atomic_load_n(mask_word(word * WORD_BITS), __ATOMIC_ACQUIRE);
            for (; ports != 0; ports &= ports - 1) {
                port_dispatch(word * WORD_BITS + (unsigned int)__builtin_ctzl(ports));
            }
        }
    }
}

/* Binding --------------------------------------------------------------------------------------- */

int event_attach(evtchn_port_t port, event_handler *handler, void *arg)
{
    if (port == 0 || port >= PORTS) {
        return -XEN_EINVAL;
    }
    event_mask(port);
    unsigned long saved = event_save();
    struct binding **table = &tables[port / TABLE_PORTS];
    if (*table == NULL && handler != NULL) {
        *table = page_alloc(0);
    }
    if (*table != NULL) {
        (*table)[port % TABLE_PORTS] = (struct binding){handler, arg};
    }
    event_restore(saved);
    if (handler == NULL) {
        return 0;
    }
    if (*table == NULL) {
        return -XEN_ENOMEM;
    }
    event_unmask(port);
    return 0;
}

void event_unbind(evtchn_port_t port)
{
    struct evtchn_close op = {.port = port};
    event_attach(port, NULL, NULL);
    hypercall_event_channel_op(EVTCHNOP_close, &op);
    event_clear(port);
}

/* What follows every successful binding: attach, or close it again. */
static int port_finish(evtchn_port_t port, event_handler *handler, void *arg)
{
    if (handler == NULL) {
        return (int)port;
    }
    int rc = event_attach(port, handler, arg);
    if (rc != 0) {
        event_unbind(port);
        return rc;
    }
    return (int)port;
}

int event_bind_virq(uint32_t virq, event_handler *handler, void *arg)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = 0};
    long rc = hypercall_event_channel_op(EVTCHNOP_bind_virq, &op);
    return rc != 0 ? (int)rc : port_finish(op.port, handler, arg);
}

int event_bind_pirq(uint32_t pirq, bool shareable, event_handler *handler, void *arg)
{
    struct evtchn_bind_pirq op = {.pirq = pirq, .flags = shareable ? BIND_PIRQ__WILL_SHARE : 0};
    long rc = hypercall_event_channel_op(EVTCHNOP_bind_pirq, &op);
    return rc != 0 ? (int)rc : port_finish(op.port, handler, arg);
}

int event_alloc_unbound(domid_t remote, event_handler *handler, void *arg)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = remote};
    long rc = hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op);
    return rc != 0 ? (int)rc : port_finish(op.port, handler, arg);
}

int event_alloc_unbound_for(domid_t dom, domid_t remote)
{
    struct evtchn_alloc_unbound op = {.dom = dom, .remote_dom = remote};
    long rc = hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op);
    return rc != 0 ? (int)rc : (int)op.port;
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, event_handler *handler,
                           void *arg)
{
    struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = remote_port};
    long rc = hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &op);
    return rc != 0 ? (int)rc : port_finish(op.local_port, handler, arg);
}

int event_bind_ipi(event_handler *handler, void *arg)
{
    struct evtchn_bind_ipi op = {.vcpu = 0};
    long rc = hypercall_event_channel_op(EVTCHNOP_bind_ipi, &op);
    return rc != 0 ? (int)rc : port_finish(op.port, handler, arg);
}

int event_send(evtchn_port_t port)
{
    struct evtchn_send op = {.port = port};
    return (int)hypercall_event_channel_op(EVTCHNOP_send, &op);
}

int event_status(domid_t dom, evtchn_port_t port)
{
    struct evtchn_status op = {.dom = dom, .port = port};
    long rc = hypercall_event_channel_op(EVTCHNOP_status, &op);
    return rc != 0 ? (int)rc : (int)op.status;
}
