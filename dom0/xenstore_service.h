// SPDX-License-Identifier: MIT
/*
 * The store at work in dom0: one thread serves the rings of all domains; dom0's own clients
 * (libxenstore, pvguest's xenbus) are in-process.
 */
#pragma once

#include "dom0/xenstore.h"

/* Starts the store and makes it pvguest's xenbus transport. 0 or -XEN_E*. */
int xenstore_service_start(void);
/* Serves a domain: maps its page through its grant entry 1, binds its port, fires
 * @introduceDomain. -XEN_EEXIST, or what mapping and binding give. */
int xenstore_service_introduce(uint16_t domid, uint32_t port);
/* Lets go of a domain's page and port; its nodes too if it is `gone`. Fires @releaseDomain. */
void xenstore_service_release(uint16_t domid, bool gone);
/* Nanoseconds of the longest turn since the last call: a domain's requests, a round of what they left over, or the
 * release of a domain. While it lasts nothing else runs in dom0. */
uint64_t xenstore_service_longest(void);
/* Fires @releaseDomain for a domain that has shut down. */
void xenstore_service_domain_died(uint16_t domid);
