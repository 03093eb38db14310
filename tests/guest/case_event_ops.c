// SPDX-License-Identifier: MIT
// event_channel_op with two levels: vcpus, virtual and physical interrupts, polls, lost answers, and resets.
#include "tests/guest/ports.h"

#include <string.h>
#include <xen/physdev.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "pvguest/time.h"

#define ABSENT_VCPU 100U

static struct vcpu_info *info(unsigned int vcpu)
{
    return &shared_info_page->vcpu_info[vcpu];
}

static void clear_info(void)
{
    for (unsigned int i = 0; i < 2; i++) {
        info(i)->evtchn_pending_sel = 0;
        info(i)->evtchn_upcall_pending = 0;
    }
}

static long bind_virq(unsigned int virq, unsigned int vcpu, evtchn_port_t *port)
{
    struct evtchn_bind_virq b = {.virq = virq, .vcpu = vcpu};
    long result = OP(bind_virq, b);

    *port = b.port;
    return result;
}

// A pair of own ports: *near sends to *far.
static bool make_pair(evtchn_port_t *near, evtchn_port_t *far)
{
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};

    *far = b.remote_port = port_alloc_unbound(DOMID_SELF);
    bool good = EXPECT(OP(bind_interdomain, b), 0);
    *near = b.local_port;
    port_clear(*near);
    clear_info();
    return good;
}

static bool vcpu_is(evtchn_port_t port, unsigned int vcpu)
{
    struct evtchn_status status;

    return port_status(port, &status) == 0 && status.vcpu == vcpu;
}

// --- whom a port notifies

static void ipi_to_another_vcpu(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t port = port_bind_ipi(1);

    clear_info();
    EXPECT_TRUE(vcpu_is(port, 1));
    EXPECT(port_send(port), 0);
    EXPECT(info(1)->evtchn_upcall_pending, 1);
    EXPECT(info(1)->evtchn_pending_sel, 1UL << port / 64);
    EXPECT(info(0)->evtchn_upcall_pending, 0);
    EXPECT(info(0)->evtchn_pending_sel, 0);
    EXPECT(port_move(port, 0), -XEN_EINVAL);
    EXPECT(port_move(port, 1), -XEN_EINVAL); // where it is already
    EXPECT(port_move(port, ABSENT_VCPU), -XEN_ENOENT);
    EXPECT(port_move(port, 0xffffffffU), -XEN_ENOENT);
    port_clear(port);
}

static void moved_ports(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t near, far;

    REQUIRE(make_pair(&near, &far));
    EXPECT(port_send(near), 0);
    EXPECT(info(0)->evtchn_upcall_pending, 1);
    port_clear(far);
    clear_info();
    EXPECT(port_move(far, 1), 0);
    EXPECT(port_send(near), 0);
    EXPECT(info(1)->evtchn_upcall_pending, 1);
    EXPECT(info(0)->evtchn_upcall_pending, 0);
    EXPECT(port_close(near), 0);
    EXPECT_TRUE(vcpu_is(far, 1)); // waits again, and still notifies vcpu 1
    EXPECT_TRUE(port_pending(far));
    EXPECT(port_close(far), 0);
    EXPECT_TRUE(!port_pending(far));
    EXPECT(port_alloc_unbound(DOMID_SELF), far); // the lower one first
    EXPECT(port_alloc_unbound(DOMID_SELF), near);
    EXPECT_TRUE(vcpu_is(far, 0));
    EXPECT(port_move(far, 1), 0); // unbound ports, too
    EXPECT(port_close(far), 0);
    EXPECT(port_move(far, 0), -XEN_EINVAL);
    EXPECT(port_move(0, 0), -XEN_EINVAL);
    EXPECT(port_move(0xffffffffU, 0), -XEN_EINVAL);
    EXPECT(port_move(0xffffffffU, ABSENT_VCPU), -XEN_ENOENT);
}

static bool is_of_one_vcpu(unsigned int virq)
{
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

// Each virtual interrupt once a vcpu, or once a domain.
static void all_virqs(void)
{
    WORLD_WITHOUT_PORTS;

    for (unsigned int virq = 0; virq < NR_VIRQS; virq++) {
        evtchn_port_t port, second, again;
        bool local = is_of_one_vcpu(virq);

        EXPECT(bind_virq(virq, 0, &port), 0);
        EXPECT(bind_virq(virq, 0, &again), -XEN_EEXIST);
        EXPECT(bind_virq(virq, 1, &second), local ? 0 : -XEN_EINVAL);
        EXPECT(bind_virq(virq, ABSENT_VCPU, &again), local ? -XEN_ENOENT : -XEN_EINVAL);
        EXPECT(port_move(port, 1), local ? -XEN_EINVAL : 0);
        EXPECT(port_send(port), -XEN_EINVAL);
        EXPECT(port_close(port), 0);
        EXPECT(bind_virq(virq, 0, &again), 0); // also after it notified vcpu 1
        EXPECT(again, port);
        EXPECT_TRUE(vcpu_is(again, 0));
        if (local)
            EXPECT(bind_virq(virq, 1, &again), -XEN_EEXIST);
    }
    EXPECT(bind_virq(NR_VIRQS, 0, &(evtchn_port_t){0}), -XEN_EINVAL);
    EXPECT(bind_virq(0x80000000U, 0, &(evtchn_port_t){0}), -XEN_EINVAL);
    EXPECT(bind_virq(0xffffffffU, ABSENT_VCPU, &(evtchn_port_t){0}), -XEN_EINVAL);
}

// --- answers that cannot be written: the port is bound all the same

static void answers_lost(void)
{
    WORLD_WITHOUT_PORTS;
    union {
        struct evtchn_alloc_unbound alloc_unbound;
        struct evtchn_bind_interdomain bind_interdomain;
        struct evtchn_bind_virq bind_virq;
        struct evtchn_bind_ipi bind_ipi;
        struct evtchn_status status;
    } *page = page_alloc(0);
    struct evtchn_status status;

    REQUIRE(page != NULL);
    page->alloc_unbound = (struct evtchn_alloc_unbound){.dom = DOMID_SELF,
                                                        .remote_dom = DOMID_SELF};
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_alloc_unbound, page), -XEN_EFAULT); // port 1
    EXPECT(page_set_writable(page), 0);
    page->bind_interdomain = (struct evtchn_bind_interdomain){.remote_dom = DOMID_SELF,
                                                              .remote_port = 1};
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_interdomain, page), -XEN_EFAULT); // 2
    EXPECT(page_set_writable(page), 0);
    page->bind_virq = (struct evtchn_bind_virq){.virq = VIRQ_DEBUG, .vcpu = 0};
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_virq, page), -XEN_EFAULT); // 3
    EXPECT(page_set_writable(page), 0);
    page->bind_ipi = (struct evtchn_bind_ipi){.vcpu = 0};
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_ipi, page), -XEN_EFAULT); // 4
    EXPECT(page_set_writable(page), 0);
    page->status = (struct evtchn_status){.dom = DOMID_SELF, .port = 4};
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_status, page), -XEN_EFAULT);
    EXPECT(page_set_writable(page), 0);
    EXPECT(port_status(1, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_interdomain);
    EXPECT(port_status(3, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_virq);
    EXPECT(port_status(4, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_ipi);
    EXPECT(port_bind_ipi(0), 5);
    page_free(page, 0);
}

static void pointers_refused(void)
{
    static const unsigned int commands[] = {EVTCHNOP_bind_interdomain,
                                            EVTCHNOP_bind_virq,
                                            EVTCHNOP_bind_pirq,
                                            EVTCHNOP_close,
                                            EVTCHNOP_send,
                                            EVTCHNOP_status,
                                            EVTCHNOP_bind_ipi,
                                            EVTCHNOP_bind_vcpu,
                                            EVTCHNOP_unmask,
                                            EVTCHNOP_set_priority,
                                            EVTCHNOP_reset,
                                            EVTCHNOP_reset_cont,
                                            EVTCHNOP_alloc_unbound};

    for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        EXPECT(hypercall_event_channel_op(commands[i], HYPERVISOR_ADDRESS), -XEN_EFAULT);
        EXPECT(hypercall_event_channel_op(commands[i], NON_CANONICAL), -XEN_EFAULT);
        EXPECT(hypercall_event_channel_op(commands[i], (void *)-1L), -XEN_EFAULT);
    }
    EXPECT(hypercall_event_channel_op(EVTCHNOP_reset_cont + 1, NULL), -XEN_ENOSYS);
    EXPECT(hypercall_event_channel_op(0xffffffffU, NULL), -XEN_ENOSYS);
}

// --- polls

// The ports are looked at one after another, and only while nothing is found.
static void poll_lists(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t quiet = port_bind_ipi(0), ready = port_bind_ipi(0), closed = port_bind_ipi(0);
    evtchn_port_t many[129];

    for (unsigned int i = 0; i < 64; i++) // all masked: an upcall would end the poll
        shared_info_page->evtchn_mask[i] = ~0UL;
    EXPECT(port_close(closed), 0);
    EXPECT(port_send(ready), 0);
    EXPECT(port_poll((evtchn_port_t[]){ready, closed}, 2), 0);
    EXPECT(port_poll((evtchn_port_t[]){ready, 0xffffffffU}, 2), 0);
    EXPECT(port_poll((evtchn_port_t[]){closed, ready}, 2), -XEN_EINVAL);
    EXPECT(port_poll((evtchn_port_t[]){0xffffffffU, ready}, 2), -XEN_EINVAL);
    EXPECT(port_poll((evtchn_port_t[]){quiet, closed}, 2), -XEN_EINVAL);
    EXPECT(port_poll((evtchn_port_t[]){0}, 1), -XEN_EINVAL);
    EXPECT(port_poll((evtchn_port_t[]){quiet, ready}, 2), 0);
    EXPECT(port_poll((evtchn_port_t[]){quiet}, 1), 0); // until the time is over
    EXPECT(port_poll(many, 0), 0);
    for (unsigned int i = 0; i < 129; i++)
        many[i] = quiet;
    EXPECT(port_poll(many, 128), 0);
    EXPECT(port_poll(many, 129), -XEN_EINVAL);
    EXPECT(port_poll(HYPERVISOR_ADDRESS, 1), -XEN_EFAULT);
}

// --- physical interrupts

#define GSI 21 // no device here uses it

static long bind_pirq(unsigned int pirq, unsigned int flags, evtchn_port_t *port)
{
    struct evtchn_bind_pirq b = {.pirq = pirq, .flags = flags};
    long result = OP(bind_pirq, b);

    *port = b.port;
    return result;
}

static void physical_interrupt(void)
{
    WORLD_WITHOUT_PORTS;
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = GSI, .pirq = -1};
    struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF};
    struct evtchn_status status;
    evtchn_port_t port, again;

    EXPECT(bind_pirq(GSI, 0, &port), -XEN_EPERM); // not mapped
    EXPECT(bind_pirq(0xffff, 0, &port), -XEN_EINVAL);
    EXPECT(bind_pirq(0x10000, 0, &port), -XEN_EINVAL);
    EXPECT(bind_pirq(0xffffffffU, BIND_PIRQ__WILL_SHARE, &port), -XEN_EINVAL);
    REQUIRE(EXPECT(hypercall_physdev_op(PHYSDEVOP_map_pirq, &map), 0));
    unmap.pirq = map.pirq;
    EXPECT(bind_pirq((unsigned int)map.pirq, BIND_PIRQ__WILL_SHARE, &port), 0);
    EXPECT(bind_pirq((unsigned int)map.pirq, BIND_PIRQ__WILL_SHARE, &again), -XEN_EEXIST);
    EXPECT(bind_pirq((unsigned int)map.pirq, 0, &again), -XEN_EEXIST);
    EXPECT(port_status(port, &status), 0);
    EXPECT(status.status, EVTCHNSTAT_pirq);
    EXPECT(status.u.pirq, map.pirq);
    EXPECT(port_send(port), -XEN_EINVAL);
    EXPECT(port_move(port, 1), 0);
    EXPECT(port_move(port, 1), 0);
    EXPECT_TRUE(vcpu_is(port, 1));
    EXPECT(port_close(port), 0);
    EXPECT(bind_pirq((unsigned int)map.pirq, 0, &again), 0); // and not shared
    EXPECT(again, port);
    EXPECT(ports_reset(), 0);
    EXPECT(bind_pirq((unsigned int)map.pirq, 0xfffffffeU, &port), 0); // other flags mean nothing
    EXPECT(port_close(port), 0);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    EXPECT(bind_pirq((unsigned int)map.pirq, 0, &port), -XEN_EPERM);
}

// --- resets

#define HANDLED 600U
static long reset_inside;
static evtchn_port_t bound_inside;
static unsigned int handled;

// An upcall that comes while the reset has stopped for it: there is one already, and a port that is bound
// now is in the way of its end.
static void in_the_middle(evtchn_port_t port, void *bind)
{
    (void)port;
    handled++;
    reset_inside = ports_reset();
    bound_inside = bind ? port_alloc_unbound(DOMID_SELF) : 0;
}

static long stopped_reset(bool bind)
{
    handled = 0;
    for (unsigned int i = 0; i < 64; i++)
        shared_info_page->evtchn_mask[i] = ~0UL;
    while (port_bind_ipi(0) < 2 * HANDLED) {
    }
    EXPECT(event_attach(HANDLED, in_the_middle, bind ? &handled : NULL), 0); // unmasks it
    shared_info_page->evtchn_pending[HANDLED / 64] = 1UL << HANDLED % 64;
    info(0)->evtchn_pending_sel = 1UL << HANDLED / 64;
    info(0)->evtchn_upcall_mask = 0;
    info(0)->evtchn_upcall_pending = 1; // seen by the hypervisor in the next call
    long result = ports_reset();
    info(0)->evtchn_upcall_mask = 1;
    event_attach(HANDLED, NULL, NULL);
    return result;
}

static void reset_is_interrupted(void)
{
    WORLD_WITHOUT_PORTS;

    EXPECT(stopped_reset(false), 0);
    EXPECT(handled, 1);
    EXPECT(reset_inside, -XEN_EBUSY);
    EXPECT(port_send(2 * HANDLED), -XEN_EINVAL);
    EXPECT(port_bind_ipi(0), 1);
}

static void reset_finds_new_ports(void)
{
    WORLD_WITHOUT_PORTS;

    EXPECT(stopped_reset(true), -XEN_EAGAIN);
    EXPECT(handled, 1);
    EXPECT(bound_inside, 1);
    EXPECT(port_send(1), 0); // it is still there
    EXPECT(port_send(2 * HANDLED), -XEN_EINVAL);
    EXPECT(ports_reset(), 0);
    EXPECT(port_send(1), -XEN_EINVAL);
}

static const struct report_case cases[] = {
    REPORT_CASE(ipi_to_another_vcpu),
    REPORT_CASE(moved_ports),
    REPORT_CASE(all_virqs),
    REPORT_CASE(answers_lost),
    REPORT_CASE(pointers_refused),
    REPORT_CASE(poll_lists),
    REPORT_CASE(physical_interrupt),
    REPORT_CASE(reset_is_interrupted),
    REPORT_CASE(reset_finds_new_ports),
};

GUEST_FAMILY(event_ops, REPORT_SUITE("event_channel_op", cases));
