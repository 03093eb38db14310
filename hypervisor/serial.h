// SPDX-License-Identifier: MIT
// The 16550 UART of COM1, polled. No locks: the console serialises.
#pragma once

#include "hypervisor/types.h"

#define SERIAL_IRQ 4

void serial_init(unsigned baud); // 8 data bits, no parity, 1 stop bit
void serial_enable_rx_interrupt(void);
void serial_put(const char *text, size_t bytes); // waits for room; gives up on a dead port
bool serial_get(char *c);                        // false: nothing has arrived
