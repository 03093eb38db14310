// SPDX-License-Identifier: MIT
/* What the self-tests of disks and cards share: offering a device, and waiting for the other end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/xenbus.h>

#include "pvguest/time.h"

/* How long a case waits for what has to come. */
#define SELFTEST_PATIENCE_NS (3 * NSEC_PER_SEC)

struct selftest_node {
    const char *dir;
    const char *name;
    const char *value;
};

/* Writes all of them or, with an error, none. 0 or -XEN_E*. */
int selftest_nodes_write(const struct selftest_node *nodes, size_t count);

/* Wait for the state of a device; for an index in a shared ring or a count to have this value. False when
 * patience has ended or ^C was typed. */
bool selftest_state_reached(const char *dir, XenbusState state);
bool selftest_reached(const uint32_t *counter, uint32_t value);
