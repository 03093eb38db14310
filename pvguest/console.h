// SPDX-License-Identifier: MIT
/*
 * The domain's console: the shared ring of start_info in a domU, console_io in dom0. Works before
 * anything else is up (output blocks by yielding or polling while the ring is full; text is never
 * dropped). Bytes go out as they are, except that console_print, stdout and stderr turn "\n" into
 * "\r\n" in a domU (dom0's hypervisor console does that itself).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void console_write(const void *buffer, size_t length);
void console_print(const char *text);
void console_write_text(const char *text, size_t length); /* console_print, with a length */
/* As printf, without newlib (no floats, %s %c %d %u %x %p with l, ll, z and widths): for early
 * start-up, handlers and crash reports. At most 512 bytes a call. */
void console_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes read (0 if none waits). */
size_t console_read(void *buffer, size_t length);
/* Blocks the thread until console_read would give something. */
void console_wait(void);

/*
 * ^C on dom0's console. While a thread catches it, ^C is no input: it drops what was typed before, and
 * wakes the thread, whose waits have console_interrupted() in their condition. Loops that do not wait
 * look at it in each round. One thread at a time; a new catch begins without a ^C.
 */
void console_interrupt_catch(void);
void console_interrupt_release(void);
/* True in the thread that catches, after a ^C; false in all others. */
bool console_interrupted(void);
/* As thread_sleep; false if ^C has ended it. */
bool console_sleep(uint64_t ns);
