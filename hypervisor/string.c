// SPDX-License-Identifier: MIT
// Memory and string functions. Copies use the CPU's string instructions, which are fast on every CPU
// of this century and short. The compiler must not turn these loops into calls of themselves.
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#include "hypervisor/string.h"

void *memcpy(void *to, const void *from, size_t bytes)
{
    void *d = to;
    size_t words = bytes / 8, rest = bytes & 7;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words)::"memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(rest)::"memory");
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    char *d = to;
    const char *s = from;
    if ((size_t)(d - s) >= bytes) // lies below, which wraps, or behind
        return memcpy(to, from, bytes);
    while (bytes-- > 0)
        d[bytes] = s[bytes];
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *d = to;
    size_t words = bytes / 8, rest = bytes & 7;
    uint64_t pattern = 0x0101010101010101ull * (uint8_t)value;
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;
    for (; bytes > 0; bytes--, x++, y++) {
        if (*x != *y)
            return *x < *y ? -1 : 1;
    }
    return 0;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n])
        n++;
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, ~(size_t)0);
}

int strncmp(const char *a, const char *b, size_t max)
{
    for (; max > 0; max--, a++, b++) {
        if (*a != *b)
            return (uint8_t)*a < (uint8_t)*b ? -1 : 1;
        if (*a == 0)
            break;
    }
    return 0;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);
    if (size > 0) {
        size_t bytes = MIN(length, size - 1);
        memcpy(to, from, bytes);
        to[bytes] = 0;
    }
    return length;
}
