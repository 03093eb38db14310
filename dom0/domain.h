// SPDX-License-Identifier: MIT
/*
 * Domains as the toolstack knows them: configuration, name, life and death. One record for each
 * guest that this dom0 has created; domain 0 has none.
 *
 * A thread follows VIRQ_DOM_EXC: a guest that has stopped is handled as on_poweroff, on_reboot or
 * another of on_* says. Functions that can fail give 0 or -XEN_E* and a sentence in `error`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

#include "dom0/archive.h"
#include "pvguest/thread.h"
#include "tools/xl/xl_config.h"

struct domain {
    struct domain *next; /* of what is left of others: domain_death.h */
    domid_t domid;
    struct xl_config config; /* of its own, with its name and addresses filled in */
    uint8_t uuid[16];
    uint64_t started;    /* time_now() */
    uint64_t serial;     /* of no other domain, ever: numbers come again */
    bool unmonitored;    /* its stop is only noted (xl create -e) */
    bool dying;          /* is being destroyed: leave it alone */
    bool shut_down;      /* has stopped by itself, or was stopped by the hypervisor */
    bool stopped;        /* its stop has been handled (and it was kept) */
    unsigned int reason; /* SHUTDOWN_*, when it has shut down */
    char words[128];     /* then: of its console or the hypervisor, what it died of */
};

enum domain_create_flag { DOMAIN_PAUSED = 1, DOMAIN_UNMONITORED = 2 };

struct domain_error {
    char text[200];
};

/* Starts the thread that follows deaths. `files`: where kernels come from. `notice` gets a line of
 * text (without its end) for each stop and restart. */
int domain_start(const struct archive *files, void (*notice)(const char *line));
/* Takes a copy of the configuration. */
int domain_create(const struct xl_config *config, unsigned int flags, domid_t *domid,
                  struct domain_error *error);
/* A random one (RFC 9562, version 4). */
void domain_uuid_make(uint8_t uuid[16]);
/* Asks the guest to stop by itself: "poweroff" or "reboot". */
int domain_request(struct domain *domain, const char *word);
/* Digits alone are the number of a domain; false for others. */
bool domain_number(const char *word, domid_t *domid);
/* NULL. The second takes a name or a number. */
struct domain *domain_find(domid_t domid);
struct domain *domain_find_name(const char *name);
struct domain *domain_find_exact(const char *name); /* a name, even of digits alone */
/* By number: first with NULL, then the one after. The second: the lowest number from `first` on. */
struct domain *domain_iterate(const struct domain *previous);
struct domain *domain_from(unsigned int first);
/* For domain_death.c: the record stays, but nobody finds it any more. */
void domain_unlink(struct domain *domain);
/* "poweroff", "crash", ... */
const char *domain_reason_name(unsigned int reason);
