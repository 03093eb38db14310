// SPDX-License-Identifier: MIT
/* The compiler and C library under lwIP: gcc and newlib. */
#pragma once

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif

#define LWIP_ERRNO_STDINCLUDE 1
#define LWIP_RAND() ((u32_t)rand())
#define LWIP_PLATFORM_DIAG(x)                                                                      \
    do {                                                                                           \
        printf x;                                                                                  \
    } while (0)
#define LWIP_PLATFORM_ASSERT(x)                                                                    \
    do {                                                                                           \
        printf("lwIP: %s at %s:%d\n", x, __FILE__, __LINE__);                                      \
        abort();                                                                                   \
    } while (0)
