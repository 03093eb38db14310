// SPDX-License-Identifier: MIT
// Peers of the pair suites: making them, having them do something, noticing their deaths.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <xen/domctl.h>
#include <xen/io/console.h>
#include <xen/sched.h>

#include "dom0/domctl.h"
#include "dom0/guest_build.h"
#include "pvguest/event.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define PEER_KIB 8192
// Guards against hangs, long enough for a loaded machine.
#define STUCK_NS (30 * NSEC_PER_SEC)
#define LOOK_NS (5 * NSEC_PER_MSEC)
#define FRAME_OF(entry) (((entry)&0x000ffffffffff000UL) >> PAGE_SHIFT)

struct pair_box pair_box __attribute__((aligned(4096)));
_Static_assert(sizeof(struct pair_box) <= PAGE_SIZE, "the box is one page");

static struct peer peers[PEERS];
static struct wait_queue queue;

static void wake(evtchn_port_t port, void *arg)
{
    (void)port, (void)arg;
    wake_up(&queue);
}

// --- the peer ------------------------------------------------------------------------------------

int pair_peer_main(void)
{
    struct pair_box *box = &pair_box;
    int port = event_alloc_unbound(0, wake, NULL);

    if (port < 0)
        return 1;
    __atomic_store_n(&box->port, (evtchn_port_t)port, __ATOMIC_RELEASE);
    for (;;) {
        wait_event(&queue, __atomic_load_n(&box->request, __ATOMIC_ACQUIRE) != box->answer);
        box->result = box->function(box->argument[0], box->argument[1], box->argument[2]);
        // The result stands before the answer; dom0's load of it is the partner.
        __atomic_store_n(&box->answer, box->request, __ATOMIC_RELEASE);
        event_send((evtchn_port_t)port);
    }
}

bool pair_note_failure(const char *text, const char *file, unsigned int line)
{
    struct pair_box *box = &pair_box;

    if (start_is_dom0())
        return false;
    printf("%s:%u: %s\n", file, line, text);
    if (!box->failure[0]) {
        box->failure_file = file;
        box->failure_line = line;
        snprintf(box->failure, sizeof(box->failure), "in the peer: %s", text);
    }
    return true;
}

// --- the peer's memory, from dom0 ----------------------------------------------------------------

void *pair_map(domid_t domid, uint64_t mfn, bool writable)
{
    return memory_map_frames(&mfn, 1, domid, MEMORY_READ | (writable ? MEMORY_WRITE : 0), NULL);
}

void pair_unmap(void *page)
{
    if (page)
        memory_unmap(page, 1);
}

uint64_t peer_mfn(const struct peer *peer, const void *address)
{
    uint64_t mfn = peer->root_mfn;

    for (int shift = 39; shift >= PAGE_SHIFT; shift -= 9) {
        uint64_t *table = pair_map(peer->domid, mfn, false), entry;

        if (!table)
            return ~0UL;
        entry = table[((uint64_t)address >> shift) & 511];
        pair_unmap(table);
        if (!(entry & PTE_P))
            return ~0UL;
        mfn = FRAME_OF(entry);
    }
    return mfn;
}

// --- control -------------------------------------------------------------------------------------

bool pair_is_dying(domid_t domid)
{
    struct xen_domctl_getdomaininfo info;

    return domctl_get_info(domid, &info) == 0 && (info.flags & XEN_DOMINF_dying);
}

bool pair_is_gone(domid_t domid)
{
    uint64_t limit = time_now() + STUCK_NS;
    struct xen_domctl_getdomaininfo info;

    while (domctl_get_info(domid, &info) == 0) {
        if (time_now() > limit)
            return false;
        thread_sleep(NSEC_PER_MSEC);
    }
    return true;
}

int pair_shutdown_reason(domid_t domid)
{
    struct xen_domctl_getdomaininfo info;

    if (domctl_get_info(domid, &info) || !(info.flags & XEN_DOMINF_shutdown))
        return PAIR_RUNS;
    return (info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
}

int pair_wait_shutdown(domid_t domid)
{
    uint64_t limit = time_now() + STUCK_NS;
    int reason;

    while ((reason = pair_shutdown_reason(domid)) == PAIR_RUNS && time_now() < limit)
        thread_sleep(NSEC_PER_MSEC);
    return reason;
}

// --- peers ---------------------------------------------------------------------------------------

// Passes on whole lines of the peer's console.
static void console_pump(struct peer *peer)
{
    uint32_t first;
    struct xencons_interface *ring = pair_map(peer->domid, peer->console_mfn, true);
    static char line[PEERS][400];
    static size_t used[PEERS];
    unsigned int i = (unsigned int)(peer - peers);

    if (!ring)
        return;
    uint32_t produced = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);
    first = ring->out_cons;
    while (ring->out_cons != produced) {
        char c = ring->out[ring->out_cons & (sizeof(ring->out) - 1)];

        __atomic_store_n(&ring->out_cons, ring->out_cons + 1, __ATOMIC_RELEASE);
        if (c == '\n' || used[i] == sizeof(line[i]) - 1) {
            line[i][used[i]] = '\0';
            printf("peer %u: %s\n", peer->domid, line[i]);
            used[i] = 0;
        } else if (c != '\r') {
            line[i][used[i]++] = c;
        }
    }
    if (first != produced && peer->console_port)
        event_send(peer->console_port); // it may wait for room
    pair_unmap(ring);
}

static bool is_stopped(const struct peer *peer)
{
    struct xen_domctl_getdomaininfo info;

    return domctl_get_info(peer->domid, &info) != 0 ||
           (info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)) != 0;
}

// The peer has its port for dom0 and has nothing to do.
static bool is_idle(const struct peer *peer)
{
    const struct pair_box *box = peer->box;

    return box && box->port && __atomic_load_n(&box->answer, __ATOMIC_ACQUIRE) == box->request;
}

// Waits until the peer has done what it was asked for; 0, PEER_DIED or PEER_STUCK.
static long idle_wait(struct peer *peer)
{
    uint64_t limit = time_now() + STUCK_NS;

    while (!wait_event_timeout(&queue, is_idle(peer), LOOK_NS)) {
        console_pump(peer);
        if (is_stopped(peer) && !is_idle(peer))
            return PEER_DIED;
        if (time_now() > limit)
            return PEER_STUCK;
    }
    console_pump(peer);
    return 0;
}

struct peer *peer_build(unsigned int index)
{
    struct peer *peer = &peers[index];
    static struct vcpu_guest_context context;
    struct xen_domctl_getdomaininfo info;
    struct guest_build build = {
        .cmdline = "peer",
        .memory_kib = PEER_KIB,
        .maxmem_kib = PEER_KIB,
        .limits = {1, -1, -1, -1},
    };
    struct xen_domctl op = {.u.vcpucontext = {.vcpu = 0}};
    void *image;

    if (start_module(&image, &build.kernel_size) || peer->domid)
        return NULL;
    build.kernel = image;
    if (guest_build(&build)) {
        printf("no peer: %s\n", build.error.text);
        return NULL;
    }
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    if (toolstack_domctl(&op, XEN_DOMCTL_getvcpucontext, build.domid) ||
        domctl_get_info(build.domid, &info)) {
        domctl_destroy(build.domid);
        return NULL;
    }
    *peer = (struct peer){
        .domid = build.domid,
        .ports = {build.console_port, build.store_port},
        .console_mfn = build.console_mfn,
        .root_mfn = xen_cr3_to_pfn(context.ctrlreg[3]),
        .shared_info_mfn = info.shared_info_frame,
    };
    return peer;
}

bool peer_run(struct peer *peer)
{
    int port = event_bind_interdomain(peer->domid, peer->ports[0], wake, NULL);

    peer->console_port = port > 0 ? (evtchn_port_t)port : 0;
    peer->box = pair_map(peer->domid, peer_mfn(peer, &pair_box), true);
    if (!peer->box || domctl_unpause(peer->domid) || idle_wait(peer))
        return false;
    port = event_bind_interdomain(peer->domid, peer->box->port, wake, NULL);
    peer->port = port > 0 ? (evtchn_port_t)port : 0;
    return port > 0;
}

struct peer *peer_get(unsigned int index)
{
    struct peer *peer = &peers[index];

    if (peer->domid && (!peer->port || is_stopped(peer) || !is_idle(peer)))
        peer_end(peer);
    if (peer->domid)
        return peer;
    peer = peer_build(index);
    if (peer && !peer_run(peer)) {
        peer_end(peer);
        peer = NULL;
    }
    return peer;
}

void peer_start(struct peer *peer, peer_function *function, long a, long b, long c)
{
    struct pair_box *box = peer->box;

    box->function = function;
    box->argument[0] = a;
    box->argument[1] = b;
    box->argument[2] = c;
    box->failure[0] = '\0';
    // The request stands before the event; the peer's load of it is the partner.
    __atomic_store_n(&box->request, box->request + 1, __ATOMIC_RELEASE);
    event_send(peer->port);
}

long peer_wait(struct peer *peer)
{
    struct pair_box *box = peer->box;
    long result = idle_wait(peer);

    if (box->failure[0])
        CU_assertImplementation(CU_FALSE, box->failure_line, box->failure, box->failure_file, "",
                                CU_FALSE);
    box->failure[0] = '\0';
    provoked_collect_from(peer->domid, &peer->refusals);
    return result ? result : box->result;
}

long peer_call(struct peer *peer, peer_function *function, long a, long b, long c)
{
    peer_start(peer, function, a, b, c);
    return peer_wait(peer);
}

domid_t peer_detach(struct peer *peer)
{
    domid_t domid = peer->domid;

    if (peer->port)
        event_unbind(peer->port);
    if (peer->console_port)
        event_unbind(peer->console_port);
    peer->port = peer->console_port = 0;
    if (peer->box) {
        console_pump(peer);
        pair_unmap(peer->box);
    }
    peer->box = NULL;
    peer->domid = 0;
    return domid;
}

bool peer_end(struct peer *peer)
{
    domid_t domid = peer_detach(peer);
    long result = domctl_destroy(domid);

    return (result == 0 || result == -XEN_ESRCH) && pair_is_gone(domid);
}
