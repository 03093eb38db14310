// SPDX-License-Identifier: MIT
#include "dom0/netback_rate.h"

#include <stdlib.h>

#define BURST 131072U /* two of the largest packets */
#define NS_PER_US 1000U

static uint64_t burst_of(const struct netback_rate *rate)
{
    return rate->bytes + BURST;
}

bool netback_rate_read(struct netback_rate *rate, const char *text, uint64_t now)
{
    unsigned long long bytes, usecs;
    char *end;

    bytes = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != ',' || bytes == 0 || bytes > INT64_MAX) {
        return false;
    }
    text = end + 1;
    usecs = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || usecs == 0 || usecs > UINT32_MAX) {
        return false;
    }
    *rate = (struct netback_rate){
        .bytes = bytes, .interval_ns = usecs * NS_PER_US, .credit = bytes, .since = now};
    return true;
}

bool netback_rate_allows(struct netback_rate *rate, uint32_t size, uint64_t now, uint64_t *until)
{
    const uint64_t burst = burst_of(rate);
    uint64_t intervals;

    if (rate->bytes == 0) {
        return true;
    }
    intervals = (now - rate->since) / rate->interval_ns;
    if (intervals > 0) {
        /* As many as fill the burst are enough: no product overflows. */
        uint64_t room = (burst - rate->credit + rate->debt) / rate->bytes + 1;
        uint64_t gain = (intervals < room ? intervals : room) * rate->bytes;
        uint64_t paid = rate->debt < gain ? rate->debt : gain;
        rate->debt -= paid;
        gain -= paid;
        rate->credit = burst - rate->credit < gain ? burst : rate->credit + gain;
        rate->since += intervals * rate->interval_ns;
    }
    *until = rate->since + rate->interval_ns;
    return size <= rate->credit && rate->debt == 0;
}

void netback_rate_count(struct netback_rate *rate, uint32_t size)
{
    const uint64_t gone = rate->bytes ? size : 0;
    const uint64_t owed = gone > rate->credit ? gone - rate->credit : 0;

    rate->credit -= gone - owed;
    rate->debt += owed;
}
