// SPDX-License-Identifier: MIT
// A domain with event queues for host tests, its frames, and a guest that reads its queues honestly.
#pragma once

#include "event/event.h"

#define WORDS (PAGE_SIZE / sizeof(event_word_t))
#define ALL_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS)
#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define BUSY (1u << EVTCHN_FIFO_BUSY)
#define FIRST_PAGE 16u // frames of the array; those of control blocks are before them
#define DEFAULT EVTCHN_FIFO_PRIORITY_DEFAULT

// Frame n of a domain; frame n of the machine belongs to domain n / 1024. Blocks are in frames 0, 1, ...,
// 64 bytes from the start; the array is in frames from FIRST_PAGE on.
mfn_t fifo_frame_of(const struct domain *d, unsigned n);
unsigned fifo_frames_held(const struct domain *d);
struct evtchn_fifo_control_block *fifo_block(const struct domain *d, unsigned vcpu);
event_word_t *fifo_word(const struct domain *d, evtchn_port_t port);

struct domain *fifo_make(domid_t id, unsigned vcpus); // two levels
struct domain *fifo_make_queues(domid_t id, unsigned vcpus, unsigned pages);
void fifo_drop(struct domain *d); // nothing may be left behind
enum refusal fifo_add_block(struct domain *d, unsigned vcpu);
enum refusal fifo_add_page(struct domain *d, unsigned n);
evtchn_port_t fifo_ipi(struct domain *d, unsigned vcpu); // a new port

struct reader { // a vcpu's place in its queues
    struct domain *d;
    unsigned vcpu;
    uint32_t ready;
    evtchn_port_t head[EVTCHN_FIFO_MAX_QUEUES];
};

// The next event of the vcpu, cleared, most urgent first; 0 when nothing is ready.
evtchn_port_t fifo_take(struct reader *r);
