// SPDX-License-Identifier: MIT
// User mode of the conformance guest: entries, stacks, roots.
#include "tests/guest/user.h"

#include <string.h>
#include <xen/callback.h>

#include "pvguest/event.h"
#include "pvguest/start.h"
#include "tests/guest/guest.h"

#define STACK_BYTES 8192
#define ENTRIES 512
#define USER_RFLAGS 0x2UL
#define USER32_CS 0xe023
#define LOW_ADDRESS 0x400000UL
#define FIRST_RESERVED_SLOT 256
#define LAST_RESERVED_SLOT 271
#define DPL_USER 3

// After SYSCALL Xen 4.17 masks the flags with the low half of the frame's address where it means ~DF: bit 10
// of this one is clear, so DF is cleared there, too.
#define KERNEL_STACK_USED (4096 + 1024)
static unsigned char kernel_stack[STACK_BYTES] __attribute__((aligned(STACK_BYTES)));
static unsigned char user_stack_area[STACK_BYTES] __attribute__((aligned(16)));
uint64_t user_kernel_stack_top = (uint64_t)(kernel_stack + KERNEL_STACK_USED);

uint64_t *user_root;
unsigned int user_entry_mask;
// Tables of levels 1 to 3 below slot 0, and the page itself.
static uint64_t *low_tables[3];
static char *low_page;

long user_callback(uint16_t type, void (*address)(void), uint16_t flags)
{
    struct callback_register r = {.type = type, .flags = flags, .address = (unsigned long)address};

    return hypercall_callback_op(CALLBACKOP_register, &r);
}

uint64_t user_kernel_root(void)
{
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    return cr3 >> PAGE_SHIFT;
}

void user_begin(void)
{
    static struct trap_info vectors[2];

    vectors[0].vector = 0x80;
    vectors[0].flags = DPL_USER;
    vectors[0].cs = FLAT_KERNEL_CS;
    vectors[0].address = (unsigned long)user_interrupt_entry;
    EXPECT(hypercall_set_trap_table(vectors), 0);
    EXPECT(user_callback(CALLBACKTYPE_syscall, user_syscall_entry, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_syscall32, user_syscall32_entry, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_sysenter, user_sysenter_entry, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_failsafe, user_failsafe_entry, 0), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, user_kernel_root()), 0);
    EXPECT(hypercall_stack_switch(FLAT_KERNEL_SS, user_kernel_stack_top), 0);
}

void user_end(void)
{
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_failsafe, failsafe_upcall, 0), 0);
}

struct user_frame user_frame_at(uint64_t rip)
{
    struct user_frame frame = {.rip = rip,
                               .cs = FLAT_USER_CS,
                               .rflags = USER_RFLAGS,
                               .rsp = (uint64_t)(user_stack_area + STACK_BYTES),
                               .ss = FLAT_USER_SS};

    return frame;
}

struct visit {
    const struct user_frame *frame;
    uint64_t flags;
    enum user_exit exit;
};

static void visit_probed(void *arg)
{
    struct visit *v = arg;

    v->exit = user_enter(v->frame, v->flags);
    user_entry_mask = shared_info_page->vcpu_info[0].evtchn_upcall_mask;
}

unsigned int user_visit(const struct user_frame *frame, uint64_t flags)
{
    struct visit v = {frame, flags, 0};
    unsigned long saved = event_save();
    unsigned int trap = probe_run(visit_probed, &v);

    event_restore(saved);
    return trap ? trap : v.exit;
}

bool user_is_refused(const struct user_frame *frame, uint64_t flags)
{
    unsigned int end = user_visit(frame, flags);

    return end == USER_FAILSAFE || (end == PROBE_TRAP + 13 && probe_frame.rip == frame->rip);
}

static bool is_reserved_slot(unsigned int slot)
{
    return slot >= FIRST_RESERVED_SLOT && slot <= LAST_RESERVED_SLOT;
}

// The kernel's slots, but the lowest and the last of the lower half: these share one set of tables, which
// maps the page at LOW_ADDRESS and at the end.
static void root_fill(void)
{
    static const unsigned char syscall_code[] = {0x0f, 0x05};
    const uint64_t *kernel = mfn_to_virt(user_kernel_root());

    for (unsigned int slot = 1; slot < ENTRIES; slot++) {
        if (!is_reserved_slot(slot))
            user_root[slot] = kernel[slot];
    }
    memcpy(low_page, user32_begin, (size_t)(user32_end - user32_begin));
    memcpy(low_page + PAGE_SIZE - sizeof(syscall_code), syscall_code, sizeof(syscall_code));
    low_tables[0][ENTRIES - 1] = pte_make(virt_to_mfn(low_page), PTE_RAM | PTE_RW);
    low_tables[0][(LOW_ADDRESS >> PAGE_SHIFT) % ENTRIES] = pte_make(virt_to_mfn(low_page),
                                                                    PTE_RAM | PTE_RW);
    low_tables[1][(LOW_ADDRESS >> 21) % ENTRIES] = pte_make(virt_to_mfn(low_tables[0]), PTE_TABLE);
    low_tables[2][0] = pte_make(virt_to_mfn(low_tables[1]), PTE_TABLE);
    low_tables[1][ENTRIES - 1] = low_tables[1][(LOW_ADDRESS >> 21) % ENTRIES];
    low_tables[2][ENTRIES - 1] = low_tables[2][0];
    user_root[FIRST_RESERVED_SLOT - 1] = user_root[0] = pte_make(virt_to_mfn(low_tables[2]),
                                                                 PTE_TABLE);
}

bool user_root_build(void)
{
    bool good = true;

    user_root = table_alloc();
    low_page = page_alloc(0);
    for (unsigned int i = 0; i < 3; i++)
        low_tables[i] = table_alloc();
    if (!EXPECT_TRUE(user_root && low_page && low_tables[0] && low_tables[1] && low_tables[2]))
        return false;
    root_fill();
    for (unsigned int i = 0; i < 3; i++)
        good &= EXPECT(page_set_readonly(low_tables[i]), 0);
    return good && EXPECT(page_set_readonly(user_root), 0);
}

bool user_root_use(void)
{
    return EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_root)), 0);
}

void user_root_free(void)
{
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, user_kernel_root()), 0);
    table_free(user_root);
    for (unsigned int i = 3; i-- > 0;)
        table_free(low_tables[i]);
    page_free(low_page, 0);
}

struct user_frame user32_frame_at(const void *code)
{
    struct user_frame frame = user_frame_at(LOW_ADDRESS +
                                            (uint64_t)((const char *)code - user32_begin));

    frame.cs = USER32_CS;
    frame.rsp = LOW_ADDRESS + PAGE_SIZE / 2;
    return frame;
}
