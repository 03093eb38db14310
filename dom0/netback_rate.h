// SPDX-License-Identifier: MIT
/*
 * rate= of a network interface: how much the guest may send. Each interval brings its bytes; what is not
 * used is kept up to a burst more, so that the largest packet passes at any rate. Pure: the time is passed in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct netback_rate {
    uint64_t bytes, interval_ns; /* 0 bytes: no limit */
    uint64_t credit;             /* bytes that may go now */
    uint64_t debt;               /* bytes that have gone above the credit: paid first */
    uint64_t since;              /* when the current interval began */
};

/* "BYTES,MICROSECONDS", as the back end's node has it; false: nonsense. */
bool netback_rate_read(struct netback_rate *rate, const char *text, uint64_t now);
/* True: a packet of this size may go; when it has gone it is to be counted. False: not before *until. */
bool netback_rate_allows(struct netback_rate *rate, uint32_t size, uint64_t now, uint64_t *until);
/* What turns out to be more than was allowed delays what comes next. */
void netback_rate_count(struct netback_rate *rate, uint32_t size);
