// SPDX-License-Identifier: MIT
// Reference clocks: the ACPI PM timer (3.579545 MHz), channel 2 of the PIT (1.193182 MHz, counted
// without an interrupt, its gate opened by port 0x61), and the battery-backed clock of the CMOS.
#include "hypervisor/time.h"
#include "hypervisor/acpi.h"
#include "hypervisor/string.h"
#include "hypervisor/asm.h"

#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE 0x61
#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71

static uint32_t pm_timer_read(void)
{
    return in32(acpi_info.pm_timer);
}

// The PIT counts down from 0xffff.
static uint32_t pit_read(void)
{
    out8(PIT_COMMAND, 0x80); // latch channel 2
    uint32_t low = in8(PIT_CHANNEL2);
    return ~(low | (uint32_t)in8(PIT_CHANNEL2) << 8) & 0xffff;
}

static void pit_start(void)
{
    out8(PIT_GATE, (uint8_t)((in8(PIT_GATE) & ~2u) | 1u)); // gate on, speaker off
    out8(PIT_COMMAND, 0xb4);                               // channel 2, both bytes, rate generator
    out8(PIT_CHANNEL2, 0xff);
    out8(PIT_CHANNEL2, 0xff);
}

const struct time_source *time_source_select(void)
{
    static const struct time_source pm = {"ACPI PM timer", 3579545, 0xffffff, pm_timer_read};
    static const struct time_source pit = {"PIT", 1193182, 0xffff, pit_read};
    if (acpi_info.pm_timer) {
        uint32_t start = pm_timer_read();
        for (unsigned i = 0; i < 1000; i++) { // a register that does not count is none
            if (pm_timer_read() != start)
                return &pm;
        }
    }
    pit_start();
    return &pit;
}

// --- battery clock

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
