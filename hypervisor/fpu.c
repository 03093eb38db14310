// SPDX-License-Identifier: MIT
// FPU, SSE and extended state of guests (declared in context.h).
//
// The hypervisor itself never uses it. Saving and loading is eager and always covers everything that
// the CPU has enabled (cpu_features.xcr0), whatever the guest's own XCR0 says: what a guest leaves
// behind in a component that it has disabled is saved with it and gone before the next one runs.
// The guest's XCR0 and its virtual CR0.TS are in force only while it runs.
#include "hypervisor/context.h"

#define FXSAVE_BYTES 512
#define FXSAVE_CONTROL 0 // FCW
#define FXSAVE_MXCSR 24
#define FXSAVE_MXCSR_MASK 28
#define XSAVE_HEADER 512 // XSTATE_BV, XCOMP_BV, reserved
#define XSAVE_HEADER_BYTES 64
#define FCW_DEFAULT 0x037f
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK_DEFAULT 0xffbfu

#define FXSAVE_POINTER 8 // FIP
#define POINTER_PROBE 0x12345678u

static uint32_t mxcsr_mask = MXCSR_MASK_DEFAULT;
static bool keeps_pointers;

// What MXCSR may hold on this machine is in a fresh FXSAVE image.
static void mxcsr_mask_find(void)
{
    static uint8_t image[FXSAVE_BYTES] __attribute__((aligned(16)));
    uint32_t mask;

    fxsave(image);
    memcpy(&mask, image + FXSAVE_MXCSR_MASK, sizeof(mask));
    if (mask)
        mxcsr_mask = mask;
}

// Does FXRSTOR leave the last instruction and data pointers alone when no exception is pending? Then
// another guest's would show through. AMD's and Hygon's do so, and their newer ones not; so we try.
static void pointers_probe(void)
{
    static uint8_t image[FXSAVE_BYTES] __attribute__((aligned(16)));
    uint32_t pointer = POINTER_PROBE;

    fxsave(image); // exceptions masked, none pending
    memcpy(image + FXSAVE_POINTER, &pointer, sizeof(pointer));
    fxrstor(image);
    memset(image + FXSAVE_POINTER, 0, sizeof(pointer));
    fxsave(image);
    memcpy(&pointer, image + FXSAVE_POINTER, sizeof(pointer));
    keeps_pointers = pointer != POINTER_PROBE;
    fpu_forget_pointers();
}

void fpu_init_local(void)
{
    write_cr0((read_cr0() & ~(uint64_t)(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (cpu_features.xsave ? CR4_OSXSAVE : 0));
    if (cpu_features.xsave)
        xsetbv(0, cpu_features.xcr0);
    if (this_cpu_id() == 0) {
        mxcsr_mask_find();
        pointers_probe();
    }
}

unsigned fpu_image_order(void)
{
    return cpu_features.xsave && cpu_features.xstate_size > PAGE_SIZE ? 1 : 0;
}

void fpu_save(struct vcpu *v)
{
    clts();
    if (!cpu_features.xsave) {
        fxsave(v->traps.fpu);
        return;
    }
    if (v->traps.xcr0 != cpu_features.xcr0)
        xsetbv(0, cpu_features.xcr0);
    xsave(v->traps.fpu, cpu_features.xcr0);
}

// XCR0 holds cpu_features.xcr0 and TS is clear, as fpu_save() and fpu_init_local() leave them.
void fpu_load(struct vcpu *v)
{
    if (keeps_pointers)
        fpu_forget_pointers();
    if (cpu_features.xsave) {
        xrstor(v->traps.fpu, cpu_features.xcr0);
        if (v->traps.xcr0 != cpu_features.xcr0)
            xsetbv(0, v->traps.xcr0);
    } else {
        fxrstor(v->traps.fpu);
    }
    if (v->traps.cr0 & CR0_TS)
        write_cr0(read_cr0() | CR0_TS);
}

void fpu_reset(struct vcpu *v)
{
    uint8_t *image = v->traps.fpu;
    uint16_t control = FCW_DEFAULT;
    uint32_t mxcsr = MXCSR_DEFAULT;

    memset(image, 0, PAGE_SIZE << fpu_image_order());
    memcpy(image + FXSAVE_CONTROL, &control, sizeof(control));
    memcpy(image + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
}

void fpu_get_image(const struct vcpu *v, void *image)
{
    memcpy(image, v->traps.fpu, FXSAVE_BYTES);
}

void fpu_set_image(struct vcpu *v, const void *image)
{
    uint8_t *own = v->traps.fpu;
    uint64_t components = XCR0_X87 | XCR0_SSE;
    uint32_t mxcsr;

    memcpy(own, image, FXSAVE_BYTES);
    memcpy(&mxcsr, own + FXSAVE_MXCSR, sizeof(mxcsr));
    mxcsr &= mxcsr_mask; // reserved bits would fault when it is loaded
    memcpy(own + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    memset(own + XSAVE_HEADER, 0, XSAVE_HEADER_BYTES);
    memcpy(own + XSAVE_HEADER, &components, sizeof(components));
}
