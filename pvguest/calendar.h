// SPDX-License-Identifier: MIT
/* Dates of the Gregorian calendar, without time zones. Pure. */
#pragma once

#include <stdint.h>

/* Days from 1970-01-01 to a date; month and day count from 1, and may be too large. */
int64_t calendar_days(int64_t year, unsigned int month, unsigned int day);
