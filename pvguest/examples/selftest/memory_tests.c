// SPDX-License-Identifier: MIT
/* Page allocator, translation, mappings, heap, exceptions. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest/errno.h"
#include "pvguest/format.h"
#include "pvguest/memory.h"
#include "pvguest/trap.h"
#include "pvguest/examples/selftest/selftest.h"

#define BLOCKS 64U
#define ROUNDS 4000U

static uint32_t random_state = 12345;

static uint32_t random_next(void)
{
    random_state = random_state * 1664525U + 1013904223U;
    return random_state >> 8;
}

struct block {
    uint64_t *pages;
    unsigned int order;
    uint64_t mark;
};

static bool block_is_intact(const struct block *block)
{
    size_t words = (PAGE_SIZE << block->order) / sizeof(uint64_t);
    return block->pages[0] == block->mark && block->pages[words - 1] == block->mark &&
           block->pages[words / 2] == block->mark;
}

static const char *page_allocator(void)
{
    static struct block blocks[BLOCKS];
    size_t before = page_free_count();

    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct block *block = &blocks[random_next() % BLOCKS];
        if (block->pages != NULL) {
            CHECK(block_is_intact(block));
            page_free(block->pages, block->order);
            block->pages = NULL;
            continue;
        }
        block->order = random_next() % 4;
        block->mark = (uint64_t)round << 32 | random_next();
        block->pages = page_alloc(block->order);
        if (block->pages == NULL) {
            continue; /* a small guest may be full */
        }
        CHECK((uint64_t)block->pages % (PAGE_SIZE << block->order) == 0);
        size_t words = (PAGE_SIZE << block->order) / sizeof(uint64_t);
        CHECK(block->pages[0] == 0 && block->pages[words - 1] == 0);
        block->pages[0] = block->pages[words / 2] = block->pages[words - 1] = block->mark;
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].pages != NULL) {
            CHECK(block_is_intact(&blocks[i]));
            page_free(blocks[i].pages, blocks[i].order);
            blocks[i].pages = NULL;
        }
    }
    CHECK(page_free_count() <= before); /* growing used some for tables */
    CHECK(before - page_free_count() <= 64);
    return NULL;
}

static const char *page_exhaustion(void)
{
    void **list = NULL;
    size_t before = page_free_count(), count = 0;
    void *page;

    while ((page = page_alloc_dirty(0)) != NULL) {
        *(void **)page = list;
        list = page;
        count++;
    }
    CHECK(page_free_count() == 0);
    CHECK(count + before / 256 + 16 >= before); /* the rest became page tables */
    while (list != NULL) {
        page = list;
        list = *list;
        page_free(page, 0);
    }
    CHECK(page_free_count() == count);
    return NULL;
}

static const char *translation(void)
{
    char *page = page_alloc(0);
    CHECK(page != NULL);
    uint64_t mfn = virt_to_mfn(page);
    CHECK(memory_p2m[virt_to_pfn(page)] == mfn);
    CHECK(mfn_to_virt(mfn) == page);
    CHECK(virt_to_maddr(page + 123) == (mfn << PAGE_SHIFT) + 123);
    CHECK(mfn_to_virt(INVALID_MFN >> PAGE_SHIFT) == NULL);
    CHECK(mfn_to_virt(0) == NULL);
    CHECK(virt_to_mfn((void *)0x1000) == INVALID_MFN);
    CHECK(virt_to_mfn((void *)0xffff800000000000) == INVALID_MFN);
    page_free(page, 0);
    return NULL;
}

static const char *contiguous(void)
{
    for (unsigned int order = 0; order <= 4; order++) {
        char *pages = page_alloc_contiguous(order);
        CHECK(pages != NULL);
        for (size_t i = 0; i < 1UL << order; i++) {
            CHECK(virt_to_mfn(pages + i * PAGE_SIZE) == virt_to_mfn(pages) + i);
            CHECK(mfn_to_virt(virt_to_mfn(pages) + i) == pages + i * PAGE_SIZE);
        }
        memset(pages, 0x5a, PAGE_SIZE << order);
        page_free(pages, order);
    }
    return NULL;
}

static const char *own_alias(void)
{
    volatile uint32_t *page = page_alloc(0);
    uint64_t mfns[2] = {virt_to_mfn((void *)(uintptr_t)page), virt_to_mfn((void *)(uintptr_t)page)};
    volatile uint32_t *alias = memory_map_frames(mfns, 2, DOMID_SELF, MEMORY_READ | MEMORY_WRITE,
                                                 NULL);
    CHECK(alias != NULL);
    alias[5] = 77;
    CHECK(page[5] == 77 && alias[1024 + 5] == 77);
    memory_unmap((void *)(uintptr_t)alias, 2);
    page_free((void *)(uintptr_t)page, 0);
    return NULL;
}

static const char *foreign_errors(void)
{
    void *page = page_alloc(0);
    uint64_t mfns[3] = {virt_to_mfn(page), 0xffffffff, virt_to_mfn(page)};
    int errs[3] = {1, 1, 1};

    CHECK(memory_map_frames(mfns, 3, DOMID_SELF, MEMORY_READ, NULL) == NULL);
    void *mapped = memory_map_frames(mfns, 3, DOMID_SELF, MEMORY_READ, errs);
    CHECK(mapped != NULL && errs[0] == 0 && errs[1] < 0 && errs[2] == 0);
    memory_unmap(mapped, 3);
    page_free(page, 0);
    return NULL;
}

static bool skip_fault(struct trap_frame *frame)
{
    frame->rip += 3; /* the MOV of probe() */
    frame->rcx = 1;
    return true;
}

/* True if reading the address faults. */
static bool probe(const volatile void *address)
{
    uint64_t faulted = 0, value;
    trap_handler *old = trap_set_handler(14, skip_fault);
    __asm__ volatile("movq (%%rdx), %%rax" : "=a"(value), "+c"(faulted) : "d"(address) : "memory");
    trap_set_handler(14, old);
    return faulted != 0;
}

static const char *regions_and_faults(void)
{
    size_t before = page_free_count();
    char *region = memory_alloc_region(20);
    CHECK(region != NULL);
    for (size_t i = 0; i < 20; i++) {
        CHECK(region[i * PAGE_SIZE] == 0);
        region[i * PAGE_SIZE + 7] = (char)i;
    }
    CHECK(!probe(region));
    CHECK(probe(region - 8));
    CHECK(trap_fault_address() == (uint64_t)region - 8);
    memory_free_region(region, 20);
    CHECK(probe(region));
    CHECK(probe(NULL));
    CHECK(before - page_free_count() < 8);
    before = page_free_count();
    for (int i = 0; i < 100; i++) {
        memory_free_region(memory_alloc_region(20), 20);
    }
    CHECK(page_free_count() == before);
    return NULL;
}

/* Text is read-only: the store faults and is skipped (it is three bytes long, too). */
static const char *text_is_readonly(void)
{
    uint64_t faulted = 0;
    trap_handler *old = trap_set_handler(14, skip_fault);
    __asm__ volatile("movq %%rax, (%%rdx)"
                     : "+c"(faulted)
                     : "d"(text_is_readonly), "a"(0)
                     : "memory");
    trap_set_handler(14, old);
    CHECK(faulted == 1);
    return NULL;
}

static volatile unsigned int steps;

static bool count_step(struct trap_frame *frame)
{
    steps++;
    if (steps > 100) {
        frame->rflags &= ~0x100UL; /* it does not get on: stop it */
    }
    return true;
}

/* Three instructions are stepped over before the flag is off again. */
static const char *single_step(void)
{
    trap_handler *old = trap_set_handler(1, count_step);
    steps = 0;
    __asm__ volatile("pushfq\n"
                     "orl $0x100, (%%rsp)\n"
                     "popfq\n"
                     "nop\n"
                     "nop\n"
                     "pushfq\n"
                     "andl $~0x100, (%%rsp)\n"
                     "popfq\n" ::
                         : "memory", "cc");
    trap_set_handler(1, old);
    CHECK(steps >= 3 && steps <= 6);
    return NULL;
}

static const char *heap(void)
{
    char *pieces[100];
    for (size_t i = 0; i < 100; i++) {
        pieces[i] = malloc(i * 37 + 1);
        CHECK(pieces[i] != NULL);
        memset(pieces[i], (int)i, i * 37 + 1);
    }
    for (size_t i = 0; i < 100; i++) {
        CHECK(pieces[i][0] == (char)i && pieces[i][i * 37] == (char)i);
        free(pieces[i]);
    }
    char *big = malloc(400000);
    CHECK(big != NULL);
    memset(big, 1, 400000);
    free(big);
    CHECK(malloc(1UL << 45) == NULL);
    return NULL;
}

static size_t format_test(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static size_t format_test(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = format_text(buffer, size, format, args);
    va_end(args);
    return length;
}

static const char *formats(void)
{
    char a[100], b[100];
#define SAME(...)                                                                                  \
    snprintf(a, sizeof(a), __VA_ARGS__);                                                           \
    CHECK(format_test(b, sizeof(b), __VA_ARGS__) == strlen(a) && strcmp(a, b) == 0)
    SAME("%d %u %x %X %c %s %%", -5, 7U, 0xabcU, 0xabcU, 'q', "text");
    SAME("[%5d] [%-5d] [%05d] [%016lx]", 42, 42, -42, 0x123456789abcUL);
    SAME("[%10s] [%-10s] [%.2s] [%*d]", "ab", "cd", "efgh", 6, 1);
    SAME("%ld %lu %zu %lld", -1L, ~0UL, sizeof(a), (long long)INT64_MIN);
#undef SAME
    CHECK(format_test(b, 4, "%s", "abcdef") == 3 && strcmp(b, "abc") == 0);
    CHECK(errno_from_xen(errno_to_xen(88)) == 88); /* newlib's ENOSYS is 88, Xen's 38 */
    CHECK(errno_to_xen(88) == XEN_ENOSYS && strcmp(errno_name(-XEN_ENOSYS), "ENOSYS") == 0);
    return NULL;
}

const struct selftest memory_tests[] = {
    {"page_allocator",     page_allocator    },
    {"page_exhaustion",    page_exhaustion   },
    {"translation",        translation       },
    {"contiguous",         contiguous        },
    {"own_alias",          own_alias         },
    {"foreign_errors",     foreign_errors    },
    {"regions_and_faults", regions_and_faults},
    {"text_is_readonly",   text_is_readonly  },
    {"single_step",        single_step       },
    {"heap",               heap              },
    {"formats",            formats           },
    {NULL,                 NULL              },
};
