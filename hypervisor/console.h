// SPDX-License-Identifier: MIT
// The serial console: output of the log and of dom0, input for dom0, and the log ring.
#pragma once

#include "hypervisor/types.h"

// Set the port up (com1=BAUD,8n1) and print what was logged before.
void console_init(bool has_port, unsigned baud);
// Input by interrupt from now on, which raises SOFTIRQ_CONSOLE; after ioapic_init().
void console_init_irq(void);

// Output of dom0 (console_io write): to the port only. '\n' becomes "\r\n".
void console_write(const char *text, size_t bytes);

// Whole lines of the log: to port and ring, on lines of their own.
void console_log(const char *text, size_t bytes);

// Up to `bytes` of typed input; returns the count (console_io read).
size_t console_read(char *buffer, size_t bytes);

// The log ring as sysctl readconsole sees it: copy the text from position *index on (advanced when
// `incremental`), `clear` empties it. Returns the number of bytes.
size_t console_ring_read(char *buffer, size_t bytes, uint32_t *index, bool clear, bool incremental);

// For panic: take over the port whatever lock is held, stop waiting for it.
void console_force(void);
