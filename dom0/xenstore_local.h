// SPDX-License-Identifier: MIT
/*
 * In-process clients of the store: libxenstore's transport for a program that holds the store
 * itself. Requests are answered at once; only waiting for an event can block.
 */
#pragma once

#include "dom0/xenstore.h"
#include "tools/libxenstore/xs_transport.h"

/* NULL when out of memory. `wait` blocks until wake is called (NULL: events are only polled);
 * `wake` is called for each message that is queued. Both get the value of `context`. */
struct xs_transport *xenstore_local_open(struct xenstore *store, void (*wait)(void *context),
                                         void (*wake)(void *context), void *context);
