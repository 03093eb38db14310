// SPDX-License-Identifier: MIT
// The console: one port, one log ring, one input buffer.
//
// Output of the log and of dom0 share the line: when the log speaks while dom0's line is open, the
// line is ended first. Lock: LOCK_CONSOLE, interrupts off, the last in the order; a panic breaks it.
#include "hypervisor/console.h"
#include "hypervisor/boot.h"
#include "hypervisor/cpu.h"
#include "hypervisor/ioapic.h"
#include "hypervisor/lock.h"
#include "hypervisor/printk.h"
#include "hypervisor/apic.h"

#define RING_SIZE 32768u // powers of two
#define INPUT_SIZE 1024u
#define CHUNK 128

// --- the 16550 UART of COM1, polled (National Semiconductor PC16550D data sheet)

#define COM1 0x3f8
#define SERIAL_IRQ 4
#define CLOCK 115200u
#define FIFO_SIZE 16
#define SPIN_MAX 1000000u // a port that takes longer for a FIFO is not there

enum { DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
#define LCR_8N1 0x03
#define LCR_DIVISOR 0x80
#define FCR_ENABLE_AND_CLEAR 0x07
#define MCR_DTR_RTS_OUT2 0x0b
#define IER_RECEIVED 0x01
#define LSR_DATA_READY 0x01
#define LSR_SEND_EMPTY 0x20

static bool is_dead = true; // until it is set up

// Speed 0: as it is.
static void serial_init(unsigned baud)
{
    if (in8(COM1 + LSR) == 0xff)
        return; // nothing decodes the port
    if (baud) {
        uint16_t divisor = (uint16_t)(CLOCK / baud);
        out8(COM1 + LCR, LCR_DIVISOR | LCR_8N1);
        out8(COM1 + DATA, (uint8_t)divisor);
        out8(COM1 + IER, (uint8_t)(divisor >> 8)); // the divisor's upper half
    }
    out8(COM1 + LCR, LCR_8N1);
    out8(COM1 + IER, 0);
    out8(COM1 + FCR, FCR_ENABLE_AND_CLEAR);
    out8(COM1 + MCR, MCR_DTR_RTS_OUT2);
    is_dead = false;
}

static bool wait_empty(void)
{
    for (unsigned i = 0; i < SPIN_MAX; i++) {
        if (in8(COM1 + LSR) & LSR_SEND_EMPTY)
            return true;
        cpu_relax();
    }
    return false;
}

static void serial_put(const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes && !is_dead; at += FIFO_SIZE) {
        if (!wait_empty()) {
            is_dead = true;
            return;
        }
        for (size_t i = at; i < MIN(at + FIFO_SIZE, bytes); i++)
            out8(COM1 + DATA, (uint8_t)text[i]);
    }
}

static bool serial_get(char *c)
{
    if (is_dead || !(in8(COM1 + LSR) & LSR_DATA_READY))
        return false;
    *c = (char)in8(COM1 + DATA);
    return true;
}

// --- state

static struct spinlock lock = SPINLOCK_INIT(LOCK_CONSOLE);
static bool is_forced; // a panic writes: no lock

static char ring[RING_SIZE];
static uint32_t ring_start, ring_end; // positions ever written; start moves when the ring is full
static char last_char = '\n';         // on the port

static char input[INPUT_SIZE];
static unsigned input_head, input_tail; // counters

static uint64_t console_lock(void)
{
    return is_forced ? irq_save() : spin_lock_irqsave(&lock);
}

static void console_unlock(uint64_t flags)
{
    if (is_forced)
        irq_restore(flags);
    else
        spin_unlock_irqrestore(&lock, flags);
}

void console_force(void)
{
    is_forced = true;
}

void console_init(bool has_port, unsigned baud)
{
    if (has_port)
        serial_init(baud);
    // What was logged before.
    for (uint32_t at = ring_start; at != ring_end; at++) {
        char c = ring[at % RING_SIZE];
        serial_put(c == '\n' ? "\r\n" : &c, c == '\n' ? 2 : 1);
    }
}

// The interrupt of the port: fetch what has arrived.
static void receive(uint8_t vector)
{
    bool arrived = false;
    char c;
    uint64_t flags = console_lock();
    while (serial_get(&c)) {
        if (input_head - input_tail < INPUT_SIZE)
            input[input_head++ % INPUT_SIZE] = c;
        arrived = true;
    }
    console_unlock(flags);
    if (arrived)
        softirq_raise_here(SOFTIRQ_CONSOLE);
}

void console_init_irq(void)
{
    struct ioapic_route route;
    unsigned gsi = ioapic_isa_gsi(SERIAL_IRQ, &route);
    route.vector = vector_alloc(receive);
    route.apic_id = (uint8_t)cpu_get(0)->apic_id;
    if (!route.vector || !ioapic_route(gsi, &route)) {
        log_warn("console: no interrupt line, no input");
        return;
    }
    ioapic_set_masked(gsi, false);
    if (!is_dead)
        out8(COM1 + IER, IER_RECEIVED);
    receive(0); // what came earlier gives no edge any more
}

// --- output

static void port_write(const char *text, size_t bytes)
{
    char chunk[CHUNK];
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n' && last_char != '\r')
            chunk[used++] = '\r';
        last_char = chunk[used++] = text[i];
        if (used + 2 > sizeof(chunk)) {
            serial_put(chunk, used);
            used = 0;
        }
    }
    serial_put(chunk, used);
}

static void ring_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ring[ring_end++ % RING_SIZE] = text[i];
    if (ring_end - ring_start > RING_SIZE)
        ring_start = ring_end - RING_SIZE;
}

void console_log(const char *text, size_t bytes)
{
    uint64_t flags = console_lock();
    if (last_char != '\n')
        port_write("\n", 1);
    port_write(text, bytes);
    ring_write(text, bytes);
    console_unlock(flags);
}

void console_write(const char *text, size_t bytes)
{
    uint64_t flags = console_lock();
    port_write(text, bytes);
    console_unlock(flags);
}

size_t console_ring_read(char *buffer, size_t bytes, uint32_t *index, bool clear, bool incremental)
{
    size_t count = 0;
    uint64_t flags = console_lock();
    uint32_t at = ring_start;
    if (incremental && *index - ring_start <= ring_end - ring_start)
        at = *index;
    for (; at != ring_end && count < bytes; at++)
        buffer[count++] = ring[at % RING_SIZE];
    if (clear)
        ring_start = ring_end;
    *index = at;
    console_unlock(flags);
    return count;
}

size_t console_read(char *buffer, size_t bytes)
{
    size_t count = 0;
    uint64_t flags = console_lock();
    while (count < bytes && input_tail != input_head)
        buffer[count++] = input[input_tail++ % INPUT_SIZE];
    console_unlock(flags);
    return count;
}
