// SPDX-License-Identifier: MIT
// The battery-backed clock of the CMOS.
#include "hypervisor/time.h"
#include "hypervisor/string.h"
#include "hypervisor/asm.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, RTC_FIELDS };
#define RTC_STATUS_A 10
#define RTC_STATUS_B 11
#define RTC_UPDATING 0x80
#define RTC_BINARY 0x04
#define RTC_24_HOURS 0x02
#define RTC_PM 0x80
#define RTC_TRIES 100000

static uint8_t cmos_read(uint8_t index)
{
    out8(CMOS_INDEX, index);
    return in8(CMOS_DATA);
}

static void rtc_sample(uint8_t t[RTC_FIELDS])
{
    static const uint8_t index[RTC_FIELDS] = {0, 2, 4, 7, 8, 9};

    for (unsigned i = 0; i < RTC_FIELDS; i++)
        t[i] = cmos_read(index[i]);
}

// Days since 1970-01-01 of a date in the Gregorian calendar, from 1970 on.
static uint64_t days_since_epoch(uint64_t year, unsigned month, unsigned day)
{
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t leap_years = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    uint64_t leap_years_to_1970 = 1969 / 4 - 1969 / 100 + 1969 / 400;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return (year - 1970) * 365 + leap_years - leap_years_to_1970 + before[month - 1] +
           (is_leap && month > 2 ? 1 : 0) + day - 1;
}

uint64_t rtc_read(void)
{
    uint8_t t[RTC_FIELDS], again[RTC_FIELDS], status = cmos_read(RTC_STATUS_B);
    unsigned tries = 0;

    do { // until two readings agree, outside an update
        while (cmos_read(RTC_STATUS_A) & RTC_UPDATING && tries < RTC_TRIES)
            tries++;
        if (tries++ >= RTC_TRIES)
            return 0;
        rtc_sample(t);
        rtc_sample(again);
    } while (memcmp(t, again, sizeof(t)) != 0);
    bool is_pm = t[HOUR] & RTC_PM;
    t[HOUR] &= (uint8_t)~RTC_PM;
    for (unsigned i = 0; i < RTC_FIELDS && !(status & RTC_BINARY); i++)
        t[i] = (uint8_t)((t[i] & 0x0f) + (t[i] >> 4) * 10);
    if (!(status & RTC_24_HOURS))
        t[HOUR] = (uint8_t)(t[HOUR] % 12 + (is_pm ? 12 : 0));
    if (t[MONTH] < 1 || t[MONTH] > 12 || t[DAY] < 1 || t[DAY] > 31 || t[HOUR] > 23 ||
        t[MINUTE] > 59)
        return 0;
    uint64_t days = days_since_epoch(2000 + t[YEAR], t[MONTH], t[DAY]);
    return days * 86400 + t[HOUR] * 3600u + t[MINUTE] * 60u + t[SECOND];
}
