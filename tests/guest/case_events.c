// SPDX-License-Identifier: MIT
// event_channel_op: ports to ourselves, virtual interrupts, states, and ports that do not exist.
#include "tests/guest/ports.h"

#include "pvguest/event.h"
#include "pvguest/time.h"

#define LAST_PORT 4095U

static void unbound_port(void)
{
    evtchn_port_t port = port_alloc_unbound(DOMID_SELF), second = port_alloc_unbound(ABSENT_DOMAIN);
    struct evtchn_status status;

    REQUIRE(port != 0);
    EXPECT_TRUE(second == 0 || second != port);
    EXPECT(port_status(port, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_unbound);
    EXPECT(port_send(port), 0);
    EXPECT_TRUE(!port_pending(port));
    EXPECT(port_close(port), 0);
    EXPECT(port_status(port, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_closed);
    if (second)
        EXPECT(port_close(second), 0);
}

static void interdomain_to_self(void)
{
    evtchn_port_t far = port_alloc_unbound(DOMID_SELF);
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = far};
    struct evtchn_status status;

    REQUIRE(far != 0);
    REQUIRE(OP(bind_interdomain, b) == 0);
    EXPECT(port_status(b.local_port, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_interdomain);
    EXPECT(status.u.interdomain.port, far);
    port_clear(far);
    port_clear(b.local_port);
    EXPECT(port_send(b.local_port), 0);
    EXPECT_TRUE(port_pending(far));
    EXPECT_TRUE(!port_pending(b.local_port));
    port_clear(far);
    EXPECT(OP(bind_interdomain, b), -XEN_EINVAL);
    EXPECT(port_close(b.local_port), 0);
    EXPECT(port_status(far, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_unbound);
    EXPECT(port_close(far), 0);
}

// A fresh interdomain port is marked pending once, in case something was sent before.
static void bind_marks_pending(void)
{
    evtchn_port_t far = port_alloc_unbound(DOMID_SELF);
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = far};

    REQUIRE(far != 0);
    REQUIRE(OP(bind_interdomain, b) == 0);
    EXPECT_TRUE(port_pending(b.local_port));
    port_clear(b.local_port);
    EXPECT(port_close(b.local_port), 0);
    EXPECT(port_close(far), 0);
}

static void virtual_interrupt(void)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_DEBUG, .vcpu = 0}, again = b;
    struct evtchn_status status;

    REQUIRE(OP(bind_virq, b) == 0);
    EXPECT(port_status(b.port, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_virq);
    EXPECT(status.u.virq, VIRQ_DEBUG);
    EXPECT(OP(bind_virq, again), -XEN_EEXIST);
    EXPECT(port_send(b.port), -XEN_EINVAL);
    EXPECT(port_close(b.port), 0);
    again.virq = NR_VIRQS;
    EXPECT(OP(bind_virq, again), -XEN_EINVAL);
    again.virq = VIRQ_DEBUG;
    again.vcpu = 100;
    EXPECT(OP(bind_virq, again), -XEN_ENOENT);
}

static void global_virq_on_vcpu0_only(void)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_CON_RING, .vcpu = 1};

    EXPECT(OP(bind_virq, b), -XEN_EINVAL);
}

static void inter_processor_interrupt(void)
{
    struct evtchn_bind_ipi b = {.vcpu = 0};
    struct evtchn_status status;

    REQUIRE(OP(bind_ipi, b) == 0);
    EXPECT(port_status(b.port, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_ipi);
    EXPECT(port_send(b.port), 0);
    EXPECT_TRUE(port_pending(b.port));
    port_clear(b.port);
    EXPECT(port_close(b.port), 0);
    b.vcpu = 100;
    EXPECT(OP(bind_ipi, b), -XEN_ENOENT);
}

static void count_call(evtchn_port_t port, void *arg)
{
    (void)port;
    ++*(volatile unsigned int *)arg;
}

static void upcall(void)
{
    volatile unsigned int calls = 0;
    int port = event_bind_ipi(count_call, (void *)&calls);

    REQUIRE(port > 0);
    EXPECT(event_send(port), 0);
    EXPECT(calls, 1);
    event_mask(port);
    EXPECT(event_send(port), 0);
    EXPECT(calls, 1);
    event_unmask(port);
    EXPECT(calls, 2);
    event_unbind(port);
}

// While upcalls are masked nothing is delivered; unmasking by hand and any hypercall delivers.
static void upcall_masked(void)
{
    volatile unsigned int calls = 0;
    int port = event_bind_ipi(count_call, (void *)&calls);
    unsigned long saved;

    REQUIRE(port > 0);
    saved = event_save();
    EXPECT(event_send(port), 0);
    EXPECT(event_send(port), 0);
    EXPECT(calls, 0);
    event_restore(saved);
    EXPECT(calls, 1);
    event_unbind(port);
}

static void unmask_by_hypercall(void)
{
    struct evtchn_bind_ipi b = {.vcpu = 0};
    struct evtchn_unmask u;
    uint64_t *mask;

    REQUIRE(OP(bind_ipi, b) == 0);
    mask = (uint64_t *)&shared_info_page->evtchn_mask[b.port / 64];
    __atomic_or_fetch(mask, 1UL << (b.port % 64), __ATOMIC_SEQ_CST);
    u.port = b.port;
    EXPECT(OP(unmask, u), 0);
    EXPECT(*mask >> (b.port % 64) & 1, 0);
    __atomic_or_fetch(mask, 1UL << (b.port % 64), __ATOMIC_SEQ_CST);
    EXPECT(port_close(b.port), 0);
    u.port = 1U << 20;
    EXPECT(OP(unmask, u), -XEN_EINVAL);
}

static void move_to_vcpu(void)
{
    evtchn_port_t port = port_alloc_unbound(DOMID_SELF);
    struct evtchn_bind_vcpu b = {.port = port, .vcpu = 0};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};

    REQUIRE(port != 0);
    EXPECT(OP(bind_vcpu, b), 0);
    b.vcpu = 100;
    EXPECT(OP(bind_vcpu, b), -XEN_ENOENT);
    EXPECT(port_close(port), 0);
    b.vcpu = 0;
    EXPECT(OP(bind_vcpu, b), -XEN_EINVAL);
    REQUIRE(OP(bind_ipi, ipi) == 0);
    b.port = ipi.port;
    EXPECT(OP(bind_vcpu, b), -XEN_EINVAL);
    EXPECT(port_close(ipi.port), 0);
}

static void closed_ports(void)
{
    evtchn_port_t port = port_alloc_unbound(DOMID_SELF);
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = port};

    REQUIRE(port != 0);
    EXPECT(port_close(port), 0);
    EXPECT(port_close(port), -XEN_EINVAL);
    EXPECT(port_send(port), -XEN_EINVAL);
    EXPECT(OP(bind_interdomain, b), -XEN_EINVAL);
    EXPECT(port_close(0), -XEN_EINVAL);
    EXPECT(port_send(0), -XEN_EINVAL);
}

static void ports_out_of_range(void)
{
    static const evtchn_port_t ports[] = {LAST_PORT + 1, 1U << 17, 1U << 31, 0xffffffffU};
    struct evtchn_status status;

    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = ports[i]};

        EXPECT(port_send(ports[i]), -XEN_EINVAL);
        EXPECT(port_close(ports[i]), -XEN_EINVAL);
        EXPECT(port_status(ports[i], &status), -XEN_EINVAL);
        EXPECT(OP(bind_interdomain, b), -XEN_EINVAL);
    }
}

static void bad_arguments(void)
{
    struct evtchn_bind_interdomain b = {.remote_dom = ABSENT_DOMAIN, .remote_port = 1};
    struct evtchn_alloc_unbound a = {.dom = ABSENT_DOMAIN, .remote_dom = DOMID_SELF};
    struct evtchn_status status = {.dom = ABSENT_DOMAIN, .port = 1};

    EXPECT(OP(bind_interdomain, b), -XEN_ESRCH);
    EXPECT(OP(alloc_unbound, a), -XEN_ESRCH);
    EXPECT(OP(status, status), -XEN_ESRCH);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_send, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_close, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_event_channel_op(77, &b), -XEN_ENOSYS);
}

// All ports can be had, no port twice, and all go back.
static void exhaustion(void)
{
    static evtchn_port_t ports[LAST_PORT + 1];
    unsigned int count = 0;
    evtchn_port_t port;

    while (count < LAST_PORT && (port = port_alloc_unbound(DOMID_SELF)) != 0 && port <= LAST_PORT)
        ports[count++] = port;
    EXPECT_TRUE(count > 1000);
    EXPECT(port_alloc_unbound(DOMID_SELF), 0);
    for (unsigned int i = 0; i < count; i++)
        EXPECT(port_close(ports[i]), 0);
}

static void resources_out_of_range(void)
{
    struct evtchn_bind_pirq p = {.pirq = 0xffffffffU};
    struct evtchn_set_priority priority = {.port = 0xffffffffU};

    EXPECT(OP(bind_pirq, p), -XEN_EINVAL);
    EXPECT_TRUE(OP(set_priority, priority) < 0);
}

// What shows no port that exists.
static void reset_refused(void)
{
    struct evtchn_reset r = {.dom = ABSENT_DOMAIN};

    EXPECT(OP(reset, r), -XEN_ESRCH);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_reset, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_reset_cont, &r), -XEN_ESRCH);
}

static const struct report_case cases[] = {
    REPORT_CASE(unbound_port),
    REPORT_CASE(interdomain_to_self),
    REPORT_CASE(bind_marks_pending),
    REPORT_CASE(virtual_interrupt),
    REPORT_CASE(global_virq_on_vcpu0_only),
    REPORT_CASE(inter_processor_interrupt),
    REPORT_CASE(upcall),
    REPORT_CASE(upcall_masked),
    REPORT_CASE(unmask_by_hypercall),
    REPORT_CASE(move_to_vcpu),
    REPORT_CASE(closed_ports),
    REPORT_CASE(ports_out_of_range),
    REPORT_CASE(bad_arguments),
    REPORT_CASE(exhaustion),
    REPORT_CASE(resources_out_of_range),
    REPORT_CASE(reset_refused),
};

GUEST_FAMILY(events, REPORT_SUITE("event_channel_op", cases));
