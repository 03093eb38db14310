// SPDX-License-Identifier: MIT
// Fuzzer: event channels. Ports below the first free one belong to the kernel and are left alone.
#include "tests/fuzz/fuzz.h"
#include <xen/event_channel.h>

#define PORTS 24U

static evtchn_port_t first_port;

void fuzz_event_setup(void)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_close end;

    if (hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op) != 0)
        return;
    first_port = op.port;
    end.port = op.port;
    hypercall_event_channel_op(EVTCHNOP_close, &end);
}

// Logged from our first port on: what the kernel has before it may differ.
static void log_port(evtchn_port_t port)
{
    if (port >= first_port && port < first_port + 4 * PORTS)
        fuzz_log(" p%u", port - first_port);
    else
        fuzz_log(" p=%#x", port);
}

static evtchn_port_t pick_port(void)
{
    static const evtchn_port_t odd[] = {0, 4095, 4096, 0x1ffff, 0x20000, 0x7fffffff, 0xffffffff};
    evtchn_port_t port = fuzz_chance(93) ? first_port + fuzz_random(PORTS) : odd[fuzz_random(7)];

    log_port(port);
    return port;
}

static domid_t pick_domain(void)
{
    static const domid_t odd[] = {0, 1, 0x1234, DOMID_IO, DOMID_XEN, DOMID_INVALID};
    domid_t domain = fuzz_chance(85) ? DOMID_SELF : odd[fuzz_random(6)];

    fuzz_log(" d%#x", domain);
    return domain;
}

static unsigned int pick_vcpu(void)
{
    static const unsigned int odd[] = {2, 3, 31, 64, 0x8000, 0xffffffff};
    unsigned int vcpu = fuzz_chance(80) ? fuzz_random(2) : odd[fuzz_random(6)];

    fuzz_log(" v%u", vcpu);
    return vcpu;
}

static void log_new_port(long result, evtchn_port_t port)
{
    fuzz_log(" = %ld", result);
    if (result == 0)
        log_port(port);
}

// So that ports do not run out.
static void op_close(void)
{
    struct evtchn_close op = {.port = pick_port()};

    fuzz_log(" = %ld", hypercall_event_channel_op(EVTCHNOP_close, &op));
}

static void op_alloc_unbound(void)
{
    struct evtchn_alloc_unbound op = {.dom = pick_domain(), .remote_dom = pick_domain()};

    log_new_port(hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op), op.port);
}

static void op_bind_interdomain(void)
{
    struct evtchn_bind_interdomain op = {.remote_dom = pick_domain(), .remote_port = pick_port()};

    log_new_port(hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &op), op.local_port);
}

static void op_bind_ipi(void)
{
    struct evtchn_bind_ipi op = {.vcpu = pick_vcpu()};

    log_new_port(hypercall_event_channel_op(EVTCHNOP_bind_ipi, &op), op.port);
}

// Not the timer, the console and other virqs that the kernel itself or the machine raises.
static void op_bind_virq(void)
{
    static const unsigned int virqs[] = {1, 3, 4, 6, 9, 12, 15, 16, 22, 23, 24, 0xffffffff};
    struct evtchn_bind_virq op = {.virq = virqs[fuzz_random(12)]};

    fuzz_log(" virq%u", op.virq);
    op.vcpu = pick_vcpu();
    log_new_port(hypercall_event_channel_op(EVTCHNOP_bind_virq, &op), op.port);
}

static void op_bind_vcpu(void)
{
    struct evtchn_bind_vcpu op = {.port = pick_port(), .vcpu = pick_vcpu()};

    fuzz_log(" = %ld", hypercall_event_channel_op(EVTCHNOP_bind_vcpu, &op));
}

static void op_send(void)
{
    struct evtchn_send op = {.port = pick_port()};

    fuzz_log(" = %ld", hypercall_event_channel_op(EVTCHNOP_send, &op));
}

static void op_unmask(void)
{
    struct evtchn_unmask op = {.port = pick_port()};

    fuzz_log(" = %ld", hypercall_event_channel_op(EVTCHNOP_unmask, &op));
}

static void op_status(void)
{
    struct evtchn_status op = {.dom = pick_domain(), .port = pick_port()};
    long result = hypercall_event_channel_op(EVTCHNOP_status, &op);

    fuzz_log(" = %ld", result);
    if (result != 0)
        return;
    fuzz_log(" s%u v%u", op.status, op.vcpu);
    if (op.status == EVTCHNSTAT_interdomain)
        log_port(op.u.interdomain.port);
    if (op.status == EVTCHNSTAT_unbound)
        fuzz_log(" d%#x", op.u.unbound.dom);
    if (op.status == EVTCHNSTAT_virq)
        fuzz_log(" virq%u", op.u.virq);
}

const struct fuzz_operation fuzz_event_operations[] = {
    {"close",            6, op_close           },
    {"alloc_unbound",    3, op_alloc_unbound   },
    {"bind_interdomain", 3, op_bind_interdomain},
    {"bind_ipi",         1, op_bind_ipi        },
    {"bind_virq",        1, op_bind_virq       },
    {"bind_vcpu",        2, op_bind_vcpu       },
    {"send",             2, op_send            },
    {"unmask",           1, op_unmask          },
    {"status",           3, op_status          },
    {NULL,               0, NULL               },
};
