// SPDX-License-Identifier: MIT
// Cases that need two domains: dom0 runs the case and has a peer do its part.
//
// A peer is a domU made of the very same image (dom0 has it as its module), so that a function or a
// variable of the image has the same address in both. dom0 maps the page `pair_box` of the peer by walking
// the peer's page tables, writes a function and its arguments into it and sends an event; the peer calls
// the function in its first thread and stores the result. So a case reads as one story:
//
//      struct peer *peer = peer_get(0);
//      REQUIRE(peer);
//      EXPECT(peer_call(peer, try_domctl, XEN_DOMCTL_pausedomain, 0, 0), -XEN_EPERM);
//
// EXPECT works in the peer too: the first one that does not hold is dom0's failure. What a peer writes to
// its console comes out of dom0's, a "peer N: " before each line. A peer lives on from case to case; one
// that has died, or that a case ended, is replaced by the next peer_get. dom0 works for the peer (console,
// death) only within the functions of this header.
#ifndef TESTS_GUEST_PAIR_H
#define TESTS_GUEST_PAIR_H

#include "tests/guest/toolstack.h"

#include <xen/event_channel.h>

#define PEERS 2
#define PEER_DATA_WORDS 256

typedef long peer_function(long a, long b, long c);

// One page of the peer, seen by both.
struct pair_box {
    uint32_t request, answer; // counted up by dom0 and by the peer; equal: nothing to do
    evtchn_port_t port;       // of the peer, for dom0; 0 until the peer runs
    uint32_t failure_line;
    const char *failure_file; // same address on both sides
    char failure[400];        // first expectation that did not hold, "" if all did
    peer_function *function;
    long argument[3];
    long result;
    uint64_t data[PEER_DATA_WORDS]; // for the cases
};
extern struct pair_box pair_box;

struct peer {
    domid_t domid;
    evtchn_port_t port; // ours
    evtchn_port_t console_port;
    struct pair_box *box;   // the peer's, mapped here
    evtchn_port_t ports[2]; // that dom0 made for it: console, store
    uint64_t console_mfn;
    uint64_t root_mfn; // its first root table
    uint64_t shared_info_mfn;
    uint64_t refusals; // number of its refusals that have been looked at
};

// What peer_call gives when the peer died of it, or did not come back.
#define PEER_DIED (-100001L)
#define PEER_STUCK (-100002L)

// A living peer that waits for work, made if there is none; NULL (and a failure) if that does not work.
struct peer *peer_get(unsigned int index);
// A domain of the image that does not run yet: paused, its box not mapped. peer_run lets it go.
struct peer *peer_build(unsigned int index);
bool peer_run(struct peer *peer);
// Calls a function in the peer. peer_start does not wait for its end, peer_wait does.
long peer_call(struct peer *peer, peer_function *function, long a, long b, long c);
void peer_start(struct peer *peer, peer_function *function, long a, long b, long c);
long peer_wait(struct peer *peer);
// Lets go of the mappings and channels that dom0 has of the peer, and forgets it: its domain is the case's.
domid_t peer_detach(struct peer *peer);
// The same, destroys the domain and waits until it has gone; false: it has not.
bool peer_end(struct peer *peer);

// Still there after its destruction, because somebody has frames of it.
bool pair_is_dying(domid_t domid);
// True when, soon, getdomaininfo does not know it any more.
bool pair_is_gone(domid_t domid);
// SHUTDOWN_* of a domain that has stopped, or PAIR_RUNS.
#define PAIR_RUNS 0x1000
int pair_shutdown_reason(domid_t domid);
// Waits (a guard, not a measure) until the domain has stopped; its reason, or PAIR_RUNS.
int pair_wait_shutdown(domid_t domid);

// The frame that the peer has at an address of its own, from its first root; ~0 if none.
uint64_t peer_mfn(const struct peer *peer, const void *address);
// Maps frames of a domain, one after another; NULL if that is refused.
void *pair_map(domid_t domid, uint64_t mfn, bool writable);
void pair_unmap(void *page);

// The peer's side: its main(), and where its failed expectations go (false in dom0).
int pair_peer_main(void);
bool pair_note_failure(const char *text, const char *file, unsigned int line);

#endif
