// SPDX-License-Identifier: MIT
/* The marks round blocks of a checked heap: every byte outside of a block is noticed, none inside. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/heap_check.h"
#include "tests/report.h"

static const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, 100, 4096};

/* In memory of exactly the room that is asked for: the sanitizer sees what goes beyond. */
static void *make(size_t size, size_t align)
{
    return heap_block_make(malloc(heap_block_room(size, align)), size, align, &sizes);
}

static void drop(void *user)
{
    free(heap_block_of(user)->raw);
}

static void sound(void)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t align = 16; align <= 8192; align *= 2) {
            void *user = make(sizes[i], align);
            CU_ASSERT_EQUAL((uintptr_t)user % align, 0);
            memset(user, 0xff, sizes[i]);
            CU_ASSERT_EQUAL(heap_block_check(user), HEAP_SOUND);
            CU_ASSERT_EQUAL(heap_block_of(user)->size, sizes[i]);
            CU_ASSERT_PTR_EQUAL(heap_block_of(user)->caller, &sizes);
            drop(user);
        }
    }
    CU_ASSERT_EQUAL(heap_block_room(SIZE_MAX, 16), 0);
    CU_ASSERT_EQUAL(heap_block_room(SIZE_MAX - 60, 16), 0);
    CU_ASSERT_EQUAL(heap_block_room(16, (size_t)1 << 63), 0);
}

static void overrun(void)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *user = make(sizes[i], 16);
        for (size_t beyond = 0; beyond < 8; beyond++) {
            user[sizes[i] + beyond] ^= 1;
            CU_ASSERT_EQUAL(heap_block_check(user), HEAP_OVERRUN);
            user[sizes[i] + beyond] ^= 1;
            user[-1 - (long)beyond] ^= 1;
            CU_ASSERT_EQUAL(heap_block_check(user), HEAP_UNDERRUN);
            user[-1 - (long)beyond] ^= 1;
        }
        CU_ASSERT_EQUAL(heap_block_check(user), HEAP_SOUND);
        drop(user);
    }
}

static void freed(void)
{
    char *user = make(100, 64), copy[256];

    heap_block_free(user, copy);
    CU_ASSERT_EQUAL(heap_block_check(user), HEAP_FREED);
    CU_ASSERT_EQUAL(heap_block_check_freed(user), HEAP_SOUND);
    CU_ASSERT_PTR_EQUAL(heap_block_of(user)->caller, copy);
    user[99] ^= 1;
    CU_ASSERT_EQUAL(heap_block_check_freed(user), HEAP_USED_FREED);
    user[99] ^= 1;
    user[100] ^= 1;
    CU_ASSERT_EQUAL(heap_block_check_freed(user), HEAP_OVERRUN);
    drop(user);
    user = make(100, 16);
    CU_ASSERT_EQUAL(heap_block_check_freed(user), HEAP_UNDERRUN);
    memcpy(copy, user - 32, 140);
    CU_ASSERT_EQUAL(heap_block_check(copy + 32), HEAP_UNDERRUN); /* a copy is no block */
    CU_ASSERT_EQUAL(heap_block_check(user + 8),
                    HEAP_UNDERRUN); /* the inside of one is not, either */
    drop(user);
    CU_ASSERT_STRING_EQUAL(heap_fault_name(HEAP_FREED), "double free");
}

static const struct report_case cases[] = {REPORT_CASE(sound), REPORT_CASE(overrun),
                                           REPORT_CASE(freed)};

int main(void)
{
    return report_run("heap_check", cases, sizeof(cases) / sizeof(cases[0]));
}
