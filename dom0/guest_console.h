// SPDX-License-Identifier: MIT
/*
 * Consoles of guests: drains each guest's ring (xen/io/console.h) into a buffer that stays readable
 * after the guest has died. The ring is the guest's and hostile: nonsense indices end its service.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

#include "pvguest/thread.h"

#define GUEST_CONSOLE_HISTORY (32U << 10)
#define GUEST_CONSOLE_DEAD_MAX 16U /* consoles of dead domains that are kept */

struct guest_console;

/* Starts the thread that drains. */
int guest_console_start(void);
/* Maps the ring through grant entry 0 and binds the guest's port. 0 or -XEN_E*. */
int guest_console_open(domid_t domid, const char *name, uint32_t port);
/* Drains for the last time and lets go of ring and port; the text stays. */
void guest_console_close(domid_t domid);
/* The newest console of a name ("web") or number; NULL. */
struct guest_console *guest_console_find(const char *name);
bool guest_console_is_open(const struct guest_console *console);
/* Copies text from *position on (0: the oldest there is) and moves it; the bytes copied. */
size_t guest_console_read(struct guest_console *console, uint64_t *position, char *buffer,
                          size_t room);
/* True if read would give something. */
bool guest_console_has_text(const struct guest_console *console, uint64_t position);
/* Input for the guest; what does not fit is dropped, the number of bytes taken comes back. */
size_t guest_console_write(struct guest_console *console, const char *text, size_t length);
/* Woken for new text and at the end. */
struct wait_queue *guest_console_queue(struct guest_console *console);
/* A line for whom reads the guest's console, behind what the guest has written. */
void guest_console_add_line(domid_t domid, const char *line);
/* What the guest says that it died of (last_words.h); "" if it says nothing. */
void guest_console_last_words(domid_t domid, char *words, size_t size);
