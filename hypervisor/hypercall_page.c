// SPDX-License-Identifier: MIT
// The page through which guests make hypercalls: 32 bytes for each call number.
//
// A slot saves RCX and R11, which SYSCALL destroys, around `mov $number, %eax; syscall; ret`. The slot
// of iret is jumped to, not called: it completes the frame on the stack (rax, r11, rcx) and never
// comes back.
#include "hypervisor/string.h"
#include "hypervisor/traps.h"

#define SLOT_BYTES 32
#define SLOTS (PAGE_SIZE / SLOT_BYTES)

static const uint8_t slot_code[] = {
    0x51,                         // push %rcx
    0x41, 0x53,                   // push %r11
    0xb8, 0x00, 0x00, 0x00, 0x00, // mov $number, %eax
    0x0f, 0x05,                   // syscall
    0x41, 0x5b,                   // pop %r11
    0x59,                         // pop %rcx
    0xc3,                         // ret
};
#define SLOT_NUMBER_AT 4

static const uint8_t iret_code[] = {
    0x51,       // push %rcx
    0x41, 0x53, // push %r11
    0x50,       // push %rax
    0xb8, __HYPERVISOR_iret,
    0x00, 0x00,
    0x00,       // mov $iret, %eax
    0x0f, 0x05, // syscall
};

void hypercall_page_init(void *page)
{
    memset(page, 0xcc, PAGE_SIZE); // int3 between the slots
    for (unsigned i = 0; i < SLOTS; i++) {
        uint8_t *slot = (uint8_t *)page + i * SLOT_BYTES;
        memcpy(slot, slot_code, sizeof(slot_code));
        slot[SLOT_NUMBER_AT] = (uint8_t)i;
    }
    memcpy((uint8_t *)page + __HYPERVISOR_iret * SLOT_BYTES, iret_code, sizeof(iret_code));
}
