// SPDX-License-Identifier: MIT
// The one header of inline assembly: privileged instructions as functions. Nothing here has policy.
#pragma once

#include "hypervisor/types.h"
#include "hypervisor/x86.h"

#define ASM_INSTRUCTION(name, text)                                                                \
    static inline void name(void)                                                                  \
    {                                                                                              \
        __asm__ volatile(text ::: "memory");                                                       \
    }
ASM_INSTRUCTION(cpu_relax, "pause")
ASM_INSTRUCTION(cpu_halt, "hlt")
ASM_INSTRUCTION(irq_disable, "cli")
ASM_INSTRUCTION(irq_enable, "sti")
ASM_INSTRUCTION(irq_enable_and_halt, "sti; hlt") // no interrupt slips in between the two
ASM_INSTRUCTION(clts, "clts")
ASM_INSTRUCTION(wbinvd, "wbinvd")
ASM_INSTRUCTION(swapgs, "swapgs")
ASM_INSTRUCTION(stac, "stac") // with SMAP: supervisor access to user pages on
ASM_INSTRUCTION(clac, "clac") // and off

static inline void load_ss(uint16_t selector)
{
    __asm__ volatile("movw %0, %%ss" ::"r"(selector));
}

static inline uint64_t read_flags(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
    return flags;
}

static inline bool irq_enabled(void)
{
    return read_flags() & EFLAGS_IF;
}

static inline uint64_t irq_save(void)
{
    uint64_t flags = read_flags();
    irq_disable();
    return flags;
}

static inline void irq_restore(uint64_t flags)
{
    if (flags & EFLAGS_IF)
        irq_enable();
    else
        irq_disable();
}

static inline uint64_t read_rsp(void)
{
    uint64_t rsp;
    __asm__ volatile("movq %%rsp, %0" : "=r"(rsp));
    return rsp;
}

#define ASM_READ_REGISTER(name)                                                                    \
    static inline uint64_t read_##name(void)                                                       \
    {                                                                                              \
        uint64_t value;                                                                            \
        __asm__ volatile("movq %%" #name ", %0" : "=r"(value)::"memory");                          \
        return value;                                                                              \
    }
#define ASM_WRITE_REGISTER(name)                                                                   \
    static inline void write_##name(uint64_t value)                                                \
    {                                                                                              \
        __asm__ volatile("movq %0, %%" #name ::"r"(value) : "memory");                             \
    }
ASM_READ_REGISTER(cr0)
ASM_READ_REGISTER(cr2)
ASM_READ_REGISTER(cr3)
ASM_READ_REGISTER(cr4)
ASM_READ_REGISTER(dr6)
ASM_WRITE_REGISTER(cr0)
ASM_WRITE_REGISTER(cr3)
ASM_WRITE_REGISTER(cr4)
ASM_WRITE_REGISTER(dr0)
ASM_WRITE_REGISTER(dr1)
ASM_WRITE_REGISTER(dr2)
ASM_WRITE_REGISTER(dr3)
ASM_WRITE_REGISTER(dr6)
ASM_WRITE_REGISTER(dr7)

static inline void invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

// rdtsc that is not executed before earlier loads have completed.
static inline uint64_t rdtsc_ordered(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return rdtsc();
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv" ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

struct descriptor_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static inline void lgdt(const struct descriptor_pointer *p)
{
    __asm__ volatile("lgdt %0" ::"m"(*p) : "memory");
}

static inline void lidt(const struct descriptor_pointer *p)
{
    __asm__ volatile("lidt %0" ::"m"(*p) : "memory");
}

static inline void ltr(uint16_t selector)
{
    __asm__ volatile("ltr %0" ::"r"(selector) : "memory");
}

static inline void lldt(uint16_t selector)
{
    __asm__ volatile("lldt %0" ::"r"(selector) : "memory");
}

#define ASM_READ_SEGMENT(name)                                                                     \
    static inline uint16_t read_##name(void)                                                       \
    {                                                                                              \
        uint16_t selector;                                                                         \
        __asm__ volatile("movw %%" #name ", %0" : "=r"(selector));                                 \
        return selector;                                                                           \
    }
ASM_READ_SEGMENT(ds)
ASM_READ_SEGMENT(es)
ASM_READ_SEGMENT(fs)
ASM_READ_SEGMENT(gs)

#define ASM_SEGMENT_BASE(name)                                                                     \
    static inline uint64_t rd##name##base(void)                                                    \
    {                                                                                              \
        uint64_t base;                                                                             \
        __asm__ volatile("rd" #name "base %0" : "=r"(base));                                       \
        return base;                                                                               \
    }                                                                                              \
    static inline void wr##name##base(uint64_t base)                                               \
    {                                                                                              \
        __asm__ volatile("wr" #name "base %0" ::"r"(base));                                        \
    }
ASM_SEGMENT_BASE(fs) // with CR4.FSGSBASE only
ASM_SEGMENT_BASE(gs)

// FPU images: 512 bytes, or with XSAVE what CPUID 13 says; aligned to 64 bytes. CR0.TS is clear.
static inline void fxsave(void *image)
{
    __asm__ volatile("fxsave64 (%0)" ::"r"(image) : "memory");
}

static inline void fxrstor(const void *image)
{
    __asm__ volatile("fxrstor64 (%0)" ::"r"(image) : "memory");
}

static inline void xsave(void *image, uint64_t mask)
{
    __asm__ volatile("xsave64 (%0)" ::"r"(image), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static inline void xrstor(const void *image, uint64_t mask)
{
    __asm__ volatile("xrstor64 (%0)" ::"r"(image), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

// Load an x87 value so that the instruction and data pointers of the last user are gone.
static inline void fpu_forget_pointers(void)
{
    static const uint32_t zero;
    __asm__ volatile("fnclex; ffree %%st(7); fildl %0" ::"m"(zero));
}

#define ASM_PORT(width, type, suffix)                                                              \
    static inline type in##width(uint16_t port)                                                    \
    {                                                                                              \
        type value;                                                                                \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");             \
        return value;                                                                              \
    }                                                                                              \
    static inline void out##width(uint16_t port, type value)                                       \
    {                                                                                              \
        __asm__ volatile("out" suffix " %0, %1" ::"a"(value), "Nd"(port) : "memory");              \
    }
ASM_PORT(8, uint8_t, "b")
ASM_PORT(16, uint16_t, "w")
ASM_PORT(32, uint32_t, "l")

// By size: 1, 2 or 4 bytes.
static inline uint32_t port_in(uint16_t port, unsigned bytes)
{
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

static inline void port_out(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1)
        out8(port, (uint8_t)value);
    else if (bytes == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
}
