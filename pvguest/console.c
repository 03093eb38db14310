// SPDX-License-Identifier: MIT
/*
 * The console: in a domU the ring of xen/io/console.h in the page that start_info names, in dom0
 * the hypervisor's console by console_io. The peer of the ring is trusted with our output only: its
 * indices are read once and checked before use.
 *
 * A full ring: a thread waits for the peer's event; before threads run, or with upcalls masked, the
 * vcpu polls the port.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xen/io/console.h>
#include <xen/sched.h>
#include "pvguest/console.h"
#include "pvguest/event.h"
#include "pvguest/format.h"
#include "pvguest/hypercall.h"
#include "pvguest/init.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

#define LINE_MAX_LENGTH 512
#define POLL_NS (10 * NSEC_PER_MSEC)
#define INTERRUPT 3     /* ^C */
#define TYPED_MAX 1024U /* a power of two: its indices wrap */

static struct xencons_interface *ring; /* NULL: console_io */
static evtchn_port_t ring_port;
static struct wait_queue changed; /* input came, or output room */
static bool threads_run;

void console_start_early(void)
{
    const struct start_info *info = start_info_page;
    if (!start_is_dom0() && info->console.domU.mfn != 0) {
        ring = mfn_to_virt(info->console.domU.mfn);
        ring_port = info->console.domU.evtchn;
    }
}

/* What was typed on dom0's console; its event fetches it from the hypervisor. */
static char typed[TYPED_MAX];
static uint32_t typed_prod, typed_cons;
static struct thread *catcher;    /* of ^C */
static volatile bool interrupted; /* it has come */

/* What has no room stays with the hypervisor, but not while ^C is waited for: it could be behind. */
static void typed_fetch(void)
{
    char chunk[64];
    long count;

    do {
        uint32_t room = sizeof(typed) - (typed_prod - typed_cons);
        uint32_t wanted = room < sizeof(chunk) && catcher == NULL ? room : sizeof(chunk);
        count = wanted > 0 ? hypercall_console_io(CONSOLEIO_read, wanted, chunk) : 0;
        for (long i = 0; i < count; i++) {
            if (chunk[i] == INTERRUPT && catcher != NULL) {
                typed_cons = typed_prod;
                interrupted = true;
                thread_wake(catcher);
            } else if (typed_prod - typed_cons < sizeof(typed)) {
                typed[typed_prod++ % sizeof(typed)] = chunk[i];
            }
        }
    } while (count > 0);
}

static void console_event(evtchn_port_t port, void *arg)
{
    (void)port;
    (void)arg;
    if (ring == NULL) {
        typed_fetch();
    }
    wake_up(&changed);
}

void console_start(void)
{
    threads_run = true;
    if (ring != NULL) {
        event_attach(ring_port, console_event, NULL);
    } else {
        event_bind_virq(VIRQ_CONSOLE, console_event, NULL); /* without it: output only */
    }
}

/* Output ---------------------------------------------------------------------------------------- */

static uint32_t ring_room(void)
{
    uint32_t used = ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
    return used <= sizeof(ring->out) ? (uint32_t)sizeof(ring->out) - used : 0;
}

static void ring_wait_room(void)
{
    if (threads_run && !event_upcalls_masked()) {
        wait_event(&changed, ring_room() > 0);
        return;
    }
    while (ring_room() == 0) {
        struct sched_poll poll = {.nr_ports = 1, .timeout = time_now() + POLL_NS};
        set_xen_guest_handle(poll.ports, &ring_port);
        event_clear(ring_port);
        if (ring_room() == 0) {
            hypercall_sched_op(SCHEDOP_poll, &poll);
        }
    }
}

static void ring_write(const char *text, size_t length)
{
    while (length > 0) {
        uint32_t count = ring_room();
        if (count == 0) {
            event_send(ring_port);
            ring_wait_room();
            continue;
        }
        count = count < length ? count : (uint32_t)length;
        uint32_t at = ring->out_prod;
        for (uint32_t i = 0; i < count; i++) {
            ring->out[MASK_XENCONS_IDX(at + i, ring->out)] = *text++;
        }
        __atomic_store_n(&ring->out_prod, at + count, __ATOMIC_RELEASE);
        length -= count;
    }
    event_send(ring_port);
}

void console_write(const void *buffer, size_t length)
{
    if (ring != NULL) {
        ring_write(buffer, length);
    } else if (length > 0) {
        hypercall_console_io(CONSOLEIO_write, (unsigned int)length, (void *)(uintptr_t)buffer);
    }
}

/* The ring's reader is a terminal; the hypervisor's console does this itself. */
void console_write_text(const char *text, size_t length)
{
    while (length > 0) {
        const char *newline = ring == NULL ? NULL : memchr(text, '\n', length);
        size_t count = newline == NULL ? length : (size_t)(newline - text);
        if (count > 0) {
            console_write(text, count);
        }
        if (newline != NULL) {
            console_write("\r\n", 2);
            count++;
        }
        text += count;
        length -= count;
    }
}

void console_print(const char *text)
{
    console_write_text(text, strlen(text));
}

void console_printf(const char *format, ...)
{
    char line[LINE_MAX_LENGTH];
    va_list args;

    va_start(args, format);
    size_t length = format_text(line, sizeof(line), format, args);
    va_end(args);
    console_write_text(line, length);
}

/* Input ----------------------------------------------------------------------------------------- */

static size_t ring_read(char *buffer, size_t length)
{
    uint32_t at = ring->in_cons;
    uint32_t count = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE) - at;
    if (count > sizeof(ring->in)) {
        return 0; /* nonsense from the peer */
    }
    count = count < length ? count : (uint32_t)length;
    for (uint32_t i = 0; i < count; i++) {
        buffer[i] = ring->in[MASK_XENCONS_IDX(at + i, ring->in)];
    }
    if (count > 0) {
        __atomic_store_n(&ring->in_cons, at + count, __ATOMIC_RELEASE);
        event_send(ring_port);
    }
    return count;
}

static size_t typed_read(char *buffer, size_t length)
{
    unsigned long saved = event_save();
    size_t count = 0;

    typed_fetch();
    while (count < length && typed_cons != typed_prod) {
        buffer[count++] = typed[typed_cons++ % sizeof(typed)];
    }
    event_restore(saved);
    return count;
}

size_t console_read(void *buffer, size_t length)
{
    return ring != NULL ? ring_read(buffer, length) : typed_read(buffer, length);
}

static bool input_waits(void)
{
    if (ring != NULL) {
        return __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE) != ring->in_cons;
    }
    unsigned long saved = event_save();
    typed_fetch();
    bool waits = typed_cons != typed_prod;
    event_restore(saved);
    return waits;
}

void console_wait(void)
{
    wait_event(&changed, input_waits());
}

/* Interrupts ------------------------------------------------------------------------------------ */

void console_interrupt_catch(void)
{
    interrupted = false;
    catcher = thread_current();
}

void console_interrupt_release(void)
{
    catcher = NULL;
}

bool console_interrupted(void)
{
    return interrupted && catcher == thread_current();
}

bool console_sleep(uint64_t ns)
{
    struct wait_queue nobody = WAIT_QUEUE_INIT;

    return !wait_event_timeout(&nobody, console_interrupted(), ns);
}
