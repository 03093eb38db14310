// SPDX-License-Identifier: MIT
// See ports.h.
#include "tests/guest/ports.h"

#include <string.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "pvguest/time.h"

#define KEPT 64U // ports of the kernel are below it

event_word_t words[WORD_PAGES * WORDS_PER_PAGE] __attribute__((aligned(PAGE_SIZE)));
unsigned char block_pages[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct evtchn_status kept[KEPT];
static xen_ulong_t kept_mask; // of these ports
// The reader's place in the queues of each vcpu.
static uint32_t ready[2];
static evtchn_port_t heads[2][EVTCHN_FIFO_MAX_QUEUES];

// --- calls

evtchn_port_t port_alloc_unbound(domid_t remote)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};

    return OP(alloc_unbound, a) == 0 ? a.port : 0;
}

evtchn_port_t port_bind_ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi b = {.vcpu = vcpu};

    return EXPECT(OP(bind_ipi, b), 0) ? b.port : 0;
}

long port_close(evtchn_port_t port)
{
    struct evtchn_close c = {.port = port};

    return OP(close, c);
}

long port_send(evtchn_port_t port)
{
    struct evtchn_send s = {.port = port};

    return OP(send, s);
}

long port_unmask(evtchn_port_t port)
{
    struct evtchn_unmask u = {.port = port};

    return OP(unmask, u);
}

long port_move(evtchn_port_t port, unsigned int vcpu)
{
    struct evtchn_bind_vcpu b = {.port = port, .vcpu = vcpu};

    return OP(bind_vcpu, b);
}

long port_set_priority(evtchn_port_t port, unsigned int priority)
{
    struct evtchn_set_priority p = {.port = port, .priority = priority};

    return OP(set_priority, p);
}

long port_status(evtchn_port_t port, struct evtchn_status *status)
{
    memset(status, 0, sizeof(*status));
    status->dom = DOMID_SELF;
    status->port = port;
    return OP(status, *status);
}

long ports_reset(void)
{
    struct evtchn_reset r = {.dom = DOMID_SELF};

    return OP(reset, r);
}

long port_poll(const evtchn_port_t *ports, unsigned int count)
{
    struct sched_poll poll = {.nr_ports = count, .timeout = time_now() + 2 * NSEC_PER_MSEC};

    set_xen_guest_handle(poll.ports, (evtchn_port_t *)ports);
    return hypercall_sched_op(SCHEDOP_poll, &poll);
}

bool port_pending(evtchn_port_t port)
{
    return __atomic_load_n(&shared_info_page->evtchn_pending[port / 64], __ATOMIC_ACQUIRE) >>
               (port % 64) &
           1;
}

void port_clear(evtchn_port_t port)
{
    __atomic_and_fetch(&shared_info_page->evtchn_pending[port / 64], ~(1UL << (port % 64)),
                       __ATOMIC_RELEASE);
}

// --- a world without ports

static void no_events(void)
{
    for (unsigned int i = 0; i < 2; i++)
        shared_info_page->vcpu_info[i].evtchn_upcall_pending = 0;
    memset(words, 0, sizeof(words));
    memset(block_pages, 0, sizeof(block_pages));
}

struct world world_begin(void)
{
    struct world world = {.upcalls = event_save()};

    for (unsigned int port = 1; port < KEPT; port++) {
        if (port_status(port, &kept[port]) != 0)
            kept[port].status = EVTCHNSTAT_closed;
    }
    kept_mask = shared_info_page->evtchn_mask[0];
    EXPECT(ports_reset(), 0);
    memset(shared_info_page->evtchn_pending, 0, sizeof(shared_info_page->evtchn_pending));
    no_events();
    return world;
}

// Interrupts of vcpu 0 are all that the kernel of the conformance guest has.
static bool bind_kept(const struct evtchn_status *s, evtchn_port_t port)
{
    struct evtchn_bind_virq virq = {.virq = s->u.virq, .vcpu = 0};

    if (s->status == EVTCHNSTAT_virq)
        return OP(bind_virq, virq) == 0 && virq.port == port;
    if (s->status == EVTCHNSTAT_ipi)
        return port_bind_ipi(0) == port;
    return s->status == EVTCHNSTAT_closed && port_alloc_unbound(DOMID_SELF) == port; // a hole
}

// New ports have the lowest numbers that are free: bound in order they get their old numbers. Events may
// have come meanwhile, so all are marked pending.
void world_end(struct world *world)
{
    struct vcpu_info *info = &shared_info_page->vcpu_info[0];
    bool good = EXPECT(ports_reset(), 0);

    for (unsigned int port = 1; port < KEPT; port++)
        good = bind_kept(&kept[port], port) && good;
    EXPECT_TRUE(good);
    for (unsigned int port = 1; port < KEPT; port++) {
        if (kept[port].status == EVTCHNSTAT_closed)
            EXPECT(port_close(port), 0);
        else
            __atomic_or_fetch(&shared_info_page->evtchn_pending[0], 1UL << port, __ATOMIC_SEQ_CST);
    }
    shared_info_page->evtchn_mask[0] = kept_mask;
    __atomic_or_fetch(&info->evtchn_pending_sel, 1, __ATOMIC_SEQ_CST);
    info->evtchn_upcall_pending = 1;
    event_restore(world->upcalls);
}

// --- queues

struct evtchn_fifo_control_block *queue_block(unsigned int vcpu)
{
    return (void *)(block_pages[vcpu] + BLOCK_OFFSET);
}

long queue_init(unsigned int vcpu)
{
    struct evtchn_init_control c = {
        .control_gfn = virt_to_mfn(block_pages[vcpu]), .offset = BLOCK_OFFSET, .vcpu = vcpu};

    memset(heads[vcpu], 0, sizeof(heads[vcpu]));
    ready[vcpu] = 0;
    return OP(init_control, c);
}

long queue_expand(const void *page)
{
    struct evtchn_expand_array e = {.array_gfn = virt_to_mfn(page)};

    return OP(expand_array, e);
}

// Xen raises an event that once came before its word again with each new array: such ones are forgotten.
bool queue_set_up(unsigned int pages)
{
    bool good = EXPECT(queue_init(0), 0) && EXPECT(queue_init(1), 0);

    for (unsigned int i = 0; i < pages; i++)
        good = EXPECT(queue_expand(words + i * WORDS_PER_PAGE), 0) && good;
    no_events();
    return good;
}

// Clears LINKED and LINK in one step; the link.
static evtchn_port_t unlink_word(event_word_t *word)
{
    event_word_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    event_word_t bits = WORD_LINKED | EVTCHN_FIFO_LINK_MASK;

    while (!__atomic_compare_exchange_n(word, &old, old & ~bits, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
    return old & EVTCHN_FIFO_LINK_MASK;
}

evtchn_port_t queue_take(unsigned int vcpu)
{
    struct evtchn_fifo_control_block *block = queue_block(vcpu);

    for (;;) {
        ready[vcpu] |= __atomic_exchange_n(&block->ready, 0, __ATOMIC_SEQ_CST);
        if (!ready[vcpu])
            return 0;
        unsigned int queue = (unsigned int)__builtin_ctz(ready[vcpu]);
        evtchn_port_t *head = &heads[vcpu][queue];
        evtchn_port_t port = *head ? *head : block->head[queue];
        *head = unlink_word(&words[port]);
        if (!*head)
            ready[vcpu] &= ~(1U << queue);
        if ((words[port] & (WORD_PENDING | WORD_MASKED)) == WORD_PENDING) {
            __atomic_and_fetch(&words[port], ~WORD_PENDING, __ATOMIC_SEQ_CST);
            return port;
        }
    }
}
