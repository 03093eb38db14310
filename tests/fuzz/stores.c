// SPDX-License-Identifier: MIT
// Fuzzer: stores to our pages by all instructions that hypervisors emulate in page tables. The page may
// be absent, read-only, or a table of any level.
#include "tests/fuzz/fuzz.h"
#include "pvguest/start.h"
#include "tests/guest/guest.h"

#define PTE_ADDRESS 0xffffffffff000UL

struct store {
    void *address;
    uint64_t value;
    bool flag; // what the instruction said: equal, or the bit that was there
};

static void by_xchg(void *arg)
{
    struct store *s = arg;
    uint64_t value = s->value;

    __asm__ volatile("xchgq %0, (%1)" : "+r"(value) : "r"(s->address) : "memory");
}

static void by_movnti(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("movnti %0, (%1)" : : "r"(s->value), "r"(s->address) : "memory");
}

// Halves of two frame numbers would make one that is another on each hypervisor.
#define HIGH_FRAME 0xfffffU // in the high half
#define HIGH_FLAGS 0xfff00000U

static void by_low_half(void *arg)
{
    struct store *s = arg;

    if (*(volatile uint32_t *)((char *)s->address + 4) & HIGH_FRAME)
        return;
    __asm__ volatile("movl %0, (%1)" : : "r"((uint32_t)s->value), "r"(s->address) : "memory");
}

static void by_high_half(void *arg)
{
    struct store *s = arg;

    if (*(volatile uint32_t *)((char *)s->address + 4) & HIGH_FRAME)
        return;
    __asm__ volatile("movl %0, 4(%1)"
                     :
                     : "r"((uint32_t)(s->value >> 32) & HIGH_FLAGS), "r"(s->address)
                     : "memory");
}

static void by_byte(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("movb %0, (%1)" : : "q"((uint8_t)s->value), "r"(s->address) : "memory");
}

// Expects what is there, or in every fourth case something else.
static void by_cmpxchg(void *arg)
{
    struct store *s = arg;
    uint64_t expected = *(volatile uint64_t *)s->address + (s->value >> 12 & 3 ? 0 : 1);

    __asm__ volatile("lock cmpxchgq %2, (%3)"
                     : "=@ccz"(s->flag), "+a"(expected)
                     : "r"(s->value), "r"(s->address)
                     : "memory");
}

static void by_or(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("lock orq %0, (%1)"
                     :
                     : "r"(s->value & (PTE_RW | PTE_AVAIL | PTE_NX)), "r"(s->address)
                     : "memory", "cc");
}

static void by_and(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("lock andq %0, (%1)"
                     :
                     : "r"(s->value | ~(PTE_P | PTE_RW | PTE_NX)), "r"(s->address)
                     : "memory", "cc");
}

static void by_xor(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("xorq %0, (%1)"
                     :
                     : "r"(s->value & (PTE_P | PTE_RW)), "r"(s->address)
                     : "memory", "cc");
}

static void by_btr(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("lock btrq $1, (%1)" : "=@ccc"(s->flag) : "r"(s->address) : "memory");
}

static void by_bts(void *arg)
{
    struct store *s = arg;

    __asm__ volatile("lock btsq $1, (%1)" : "=@ccc"(s->flag) : "r"(s->address) : "memory");
}

static const struct {
    const char *name;
    void (*run)(void *arg);
} instructions[] = {
    {"xchg",    by_xchg     },
    {"movnti",  by_movnti   },
    {"low",     by_low_half },
    {"high",    by_high_half},
    {"byte",    by_byte     },
    {"cmpxchg", by_cmpxchg  },
    {"or",      by_or       },
    {"and",     by_and      },
    {"xor",     by_xor      },
    {"btr",     by_btr      },
    {"bts",     by_bts      },
};
#define INSTRUCTIONS (sizeof(instructions) / sizeof(instructions[0]))

static void op_store_by(void)
{
    unsigned int at = fuzz_random(FUZZ_FRAMES), index = fuzz_random(6);
    unsigned int n = fuzz_random(INSTRUCTIONS);
    struct store s = {.address = fuzz_frames[at].address + index * sizeof(uint64_t)};

    fuzz_log(" a%u[%u] %s", at, index, instructions[n].name);
    s.value = fuzz_pick_entry();
    if ((pte_read(s.address) & PTE_ADDRESS) == start_info_page->shared_info)
        return; // what these read there is the time
    unsigned int fault = probe_run(instructions[n].run, &s);
    fuzz_log(" = %u %u", fault, s.flag);
}

const struct fuzz_operation fuzz_store_operations[] = {
    {"store_by", 8, op_store_by},
    {NULL,       0, NULL       },
};
