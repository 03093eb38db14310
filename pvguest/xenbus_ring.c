// SPDX-License-Identifier: MIT
/*
 * xenbus over the shared ring of start_info: two byte streams of 1 KiB (xen/io/xs_wire.h).
 *
 * Sending copies a message in as many pieces as the ring has room for; a mutex keeps messages
 * whole. A thread of its own reads answers and watch events. The server is trusted to run but its
 * indices and lengths are checked: nonsense ends the connection, never our memory.
 */
#include <stdlib.h>
#include <string.h>

#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus.h"

static struct xenstore_domain_interface *ring;
static evtchn_port_t ring_port;
static struct wait_queue ring_queue;
static struct mutex send_mutex;
static bool broken;

static void ring_event(evtchn_port_t port, void *arg)
{
    (void)port;
    (void)arg;
    wake_up(&ring_queue);
}

/* Bytes between two free-running indices; more than the ring holds is nonsense. */
static uint32_t ring_fill(const uint32_t *producer, const uint32_t *consumer)
{
    uint32_t fill = __atomic_load_n(producer, __ATOMIC_ACQUIRE) -
                    __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
    if (fill > XENSTORE_RING_SIZE && !broken) {
        broken = true;
        console_printf("xenbus: ring index out of range, store is lost\n");
    }
    return fill;
}

static bool send_possible(void)
{
    return ring_fill(&ring->req_prod, &ring->req_cons) < XENSTORE_RING_SIZE || broken;
}

static bool receive_possible(void)
{
    return ring_fill(&ring->rsp_prod, &ring->rsp_cons) != 0 || broken;
}

static int ring_write(const void *data, size_t length)
{
    const char *from = data;
    while (length != 0) {
        wait_event(&ring_queue, send_possible());
        if (broken) {
            return -XEN_EIO;
        }
        uint32_t at = MASK_XENSTORE_IDX(ring->req_prod);
        uint32_t room = XENSTORE_RING_SIZE - ring_fill(&ring->req_prod, &ring->req_cons);
        if (broken) {
            return -XEN_EIO;
        }
        uint32_t piece = XENSTORE_RING_SIZE - at;
        piece = piece < room ? piece : room;
        piece = piece < length ? piece : (uint32_t)length;
        memcpy(ring->req + at, from, piece);
        /* The bytes before the index: pairs with the server's acquire. */
        __atomic_store_n(&ring->req_prod, ring->req_prod + piece, __ATOMIC_RELEASE);
        event_send(ring_port);
        from += piece;
        length -= piece;
    }
    return 0;
}

static int ring_read(void *data, size_t length)
{
    char *to = data;
    while (length != 0) {
        wait_event(&ring_queue, receive_possible());
        uint32_t fill = ring_fill(&ring->rsp_prod, &ring->rsp_cons);
        if (broken) {
            return -XEN_EIO;
        }
        uint32_t at = MASK_XENSTORE_IDX(ring->rsp_cons);
        uint32_t piece = XENSTORE_RING_SIZE - at;
        piece = piece < fill ? piece : fill;
        piece = piece < length ? piece : (uint32_t)length;
        memcpy(to, ring->rsp + at, piece);
        /* The bytes are out before the server may reuse their place. */
        __atomic_store_n(&ring->rsp_cons, ring->rsp_cons + piece, __ATOMIC_RELEASE);
        event_send(ring_port);
        to += piece;
        length -= piece;
    }
    return 0;
}

static int ring_send(struct xenbus_transport *transport, const struct xsd_sockmsg *header,
                     const void *payload)
{
    (void)transport;
    mutex_lock(&send_mutex);
    int error = ring_write(header, sizeof(*header));
    if (error == 0) {
        error = ring_write(payload, header->len);
    }
    mutex_unlock(&send_mutex);
    return error;
}

static void reader_loop(void *arg)
{
    (void)arg;
    static char payload[XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg header;
    while (ring_read(&header, sizeof(header)) == 0) {
        if (header.len > sizeof(payload)) {
            broken = true;
            console_printf("xenbus: answer of %u bytes, store is lost\n", header.len);
            break;
        }
        if (ring_read(payload, header.len) != 0) {
            break;
        }
        xenbus_receive(&header, payload);
    }
    xenbus_disconnected();
    wake_up(&ring_queue);
}

int xenbus_ring_connect(void)
{
    static struct xenbus_transport transport = {.send = ring_send};
    if (start_is_dom0() || start_info_page->store_mfn == 0) {
        return -XEN_ENODEV;
    }
    ring = mfn_to_virt(start_info_page->store_mfn);
    if (ring == NULL) {
        uint64_t mfn = start_info_page->store_mfn;
        ring = memory_map_frames(&mfn, 1, DOMID_SELF, MEMORY_READ | MEMORY_WRITE, NULL);
    }
    if (ring == NULL) {
        return -XEN_ENODEV;
    }
    ring_port = start_info_page->store_evtchn;
    int error = event_attach(ring_port, ring_event, NULL);
    if (error != 0) {
        return error;
    }
    if (thread_create("xenbus-ring", reader_loop, NULL) == NULL) {
        return -XEN_ENOMEM;
    }
    return xenbus_register_transport(&transport);
}
