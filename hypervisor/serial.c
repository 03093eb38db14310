// SPDX-License-Identifier: MIT
// 16550 UART at COM1 (National Semiconductor PC16550D data sheet).
#include "hypervisor/console.h"
#include "hypervisor/asm.h"

#define COM1 0x3f8
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

void serial_init(unsigned baud)
{
    uint16_t divisor = (uint16_t)(CLOCK / (baud ? baud : CLOCK));
    if (in8(COM1 + LSR) == 0xff)
        return; // nothing decodes the port
    out8(COM1 + IER, 0);
    out8(COM1 + LCR, LCR_DIVISOR | LCR_8N1);
    out8(COM1 + DATA, (uint8_t)divisor);
    out8(COM1 + IER, (uint8_t)(divisor >> 8));
    out8(COM1 + LCR, LCR_8N1);
    out8(COM1 + FCR, FCR_ENABLE_AND_CLEAR);
    out8(COM1 + MCR, MCR_DTR_RTS_OUT2);
    is_dead = false;
}

void serial_enable_rx_interrupt(void)
{
    if (!is_dead)
        out8(COM1 + IER, IER_RECEIVED);
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

void serial_put(const char *text, size_t bytes)
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

bool serial_get(char *c)
{
    if (is_dead || !(in8(COM1 + LSR) & LSR_DATA_READY))
        return false;
    *c = (char)in8(COM1 + DATA);
    return true;
}
