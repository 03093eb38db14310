// SPDX-License-Identifier: MIT
#include "pvguest/calendar.h"

#define DAYS_OF_400_YEARS 146097
#define DAYS_FROM_MARCH_0_TO_1970 719468

int64_t calendar_days(int64_t year, unsigned int month, unsigned int day)
{
    int64_t y = month <= 2 ? year - 1
                           : year; /* years that begin with March, so that leap days end them */
    int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * DAYS_OF_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - DAYS_FROM_MARCH_0_TO_1970;
}
