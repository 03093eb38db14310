// SPDX-License-Identifier: MIT
// Event channels for cases: one call each, a world without any port, and queues (FIFO) with an honest
// reader. Words and control blocks lie in static pages.
#pragma once

#include "tests/guest/guest.h"

#include <xen/event_channel.h>

#include "pvguest/start.h"

#define OP(command, value) hypercall_event_channel_op(EVTCHNOP_##command, &(value))
#define EVTCHNOP_reset_cont 14 // not in the header for guests

// A new port, 0 when refused; the second one expects success.
evtchn_port_t port_alloc_unbound(domid_t remote);
evtchn_port_t port_bind_ipi(unsigned int vcpu);
// The result of the call.
long port_close(evtchn_port_t port);
long port_send(evtchn_port_t port);
long port_unmask(evtchn_port_t port);
long port_move(evtchn_port_t port, unsigned int vcpu); // bind_vcpu
long port_set_priority(evtchn_port_t port, unsigned int priority);
long port_status(evtchn_port_t port, struct evtchn_status *status);
long ports_reset(void);
long port_poll(const evtchn_port_t *ports, unsigned int count); // for 2 ms

// The bits of two levels.
bool port_pending(evtchn_port_t port);
void port_clear(evtchn_port_t port);

// A case with WORLD_WITHOUT_PORTS first starts with two levels, no port, upcalls masked, and clear pages
// below. At its end what the kernel had bound is there again, under the same numbers.
struct world {
    unsigned long upcalls;
};
struct world world_begin(void);
void world_end(struct world *world);
#define WORLD_WITHOUT_PORTS struct world world __attribute__((cleanup(world_end))) = world_begin()

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define WORD_PAGES 5U // that many the cases need
#define WORD_PENDING (1U << EVTCHN_FIFO_PENDING)
#define WORD_MASKED (1U << EVTCHN_FIFO_MASKED)
#define WORD_LINKED (1U << EVTCHN_FIFO_LINKED)
#define WORD_BUSY (1U << EVTCHN_FIFO_BUSY)
extern event_word_t words[WORD_PAGES * WORDS_PER_PAGE];
extern unsigned char block_pages[2][PAGE_SIZE]; // of vcpus 0 and 1
#define BLOCK_OFFSET 64U
struct evtchn_fifo_control_block *queue_block(unsigned int vcpu);

// init_control at BLOCK_OFFSET of the vcpu's page; expand_array.
long queue_init(unsigned int vcpu);
long queue_expand(const void *page);
// Both blocks and the first `pages` pages of words; nothing pending. Expects success.
bool queue_set_up(unsigned int pages);
// The next event of a vcpu, most urgent first, as a kernel takes it; 0 when there is none.
evtchn_port_t queue_take(unsigned int vcpu);
