// SPDX-License-Identifier: MIT
// A harness feeds one parser with one input. Built by clang it runs under libFuzzer (make fuzz-host), by
// gcc with driver.c (make unit). What is wrong ends the program: a sanitizer's report, or HARNESS_CHECK.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Good input number `number` to begin with: its length, 0 when there are no more.
#define HARNESS_SEED_MAX 8192U
size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX]);

#define HARNESS_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition);               \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// Touch all of it, for the sanitizer.
static inline void harness_read(const void *from, size_t size)
{
    const volatile unsigned char *bytes = from;

    for (size_t i = 0; i < size; i++)
        (void)bytes[i];
}

// Small kernels in ELF files, for the two readers of them (elf_seed.c).
size_t elf_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX]);
