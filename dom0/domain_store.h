// SPDX-License-Identifier: MIT
/*
 * A domain's nodes in the store, as Xen's toolstack writes them (docs/misc/xenstore-paths): home,
 * /vm, /libxl, console and store, disks and network interfaces with their back ends in domain 0.
 */
#pragma once

#include <stdint.h>
#include <xen/xen.h>
#include <xenstore.h>

#include "tools/xl/xl_config.h"

struct domain_store {
    domid_t domid;
    const struct xl_config *config;
    uint8_t uuid[16];
    uint32_t console_port, store_port;
    uint64_t console_mfn, store_mfn;
    uint64_t start_time; /* seconds since 1970 */
};

/* "01234567-89ab-..." */
void domain_store_uuid(const uint8_t uuid[16], char text[37]);
/* All of them in one transaction. 0 or -XEN_E*. */
int domain_store_write(struct xs_handle *xs, const struct domain_store *store);
/* Removes them; back ends let go of their devices when theirs go. */
void domain_store_remove(struct xs_handle *xs, domid_t domid, const uint8_t uuid[16]);
/* Another name and UUID for a domain that stays beside its successor, which gets the old UUID's nodes; its
 * cards are taken from it. Nothing is undone on an error: 0 or -XEN_E*. */
int domain_store_rename(struct xs_handle *xs, domid_t domid, const char *name,
                        const uint8_t old[16], const uint8_t uuid[16]);
/* Asks the guest: "poweroff", "reboot". */
int domain_store_control(struct xs_handle *xs, domid_t domid, const char *word);
