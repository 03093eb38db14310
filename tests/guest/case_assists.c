// SPDX-License-Identifier: MIT
// vm_assist: what m2p_strict and architectural_iopl change.
#include "tests/guest/guest.h"

#include "tests/guest/user.h"

#define M2P_SLOT 256

static long assist(unsigned int command, unsigned int type)
{
    return hypercall_vm_assist(command, type);
}

// How a read of the machine-to-phys table in user mode ends.
static unsigned int user_reads_m2p(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_read_m2p);

    return user_visit(&frame, 0);
}

// The slot comes with the use as the kernel's root, and stays.
static void m2p_of_user_roots(void)
{
    user_begin();
    EXPECT(user_reads_m2p(), USER_SYSCALL); // the kernel's own root
    if (user_root_build() && user_root_use()) {
        uint64_t kernel = user_kernel_root();

        EXPECT(user_root[M2P_SLOT], 0);
        EXPECT(user_reads_m2p(), PROBE_TRAP + 14);
        EXPECT(probe_address, MACH2PHYS_VIRT_START);
        EXPECT(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(user_root)), 0);
        EXPECT(mmuext(MMUEXT_NEW_BASEPTR, kernel), 0);
        EXPECT(user_root[M2P_SLOT] & PTE_P, PTE_P);
        EXPECT(user_reads_m2p(), USER_SYSCALL);
    }
    user_root_free();
    user_end();
}

// Under m2p_strict a root has the slot from its validation until it becomes one of user mode.
static void m2p_strict(void)
{
    user_begin();
    EXPECT(assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
    if (user_root_build()) {
        uint64_t kernel = user_kernel_root(), mfn = virt_to_mfn(user_root);

        EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn), 0);
        EXPECT(user_root[M2P_SLOT] & PTE_P, PTE_P);
        EXPECT_TRUE(user_root_use());
        EXPECT(user_root[M2P_SLOT], 0);
        EXPECT(user_reads_m2p(), PROBE_TRAP + 14);
        EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn), 0);
        EXPECT(user_root[M2P_SLOT], 0);
        EXPECT(mmuext(MMUEXT_NEW_BASEPTR, kernel), 0);
        EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0);
    }
    EXPECT(assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict), 0);
    user_root_free();
    user_end();
}

// The flags in frames are zero, or with architectural_iopl what the kernel has returned with.
static void architectural_iopl(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    frame.rflags |= FLAG_IOPL;
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_IOPL, 0);
    EXPECT(assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_IOPL, FLAG_IOPL);
    EXPECT(user_entry_rflags & FLAG_IOPL, 0);
    frame.rflags &= ~FLAG_IOPL;
    EXPECT(user_visit(&frame, VGCF_in_syscall), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_IOPL, 0);
    EXPECT(assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
    user_end();
}

static void unknown(void)
{
    EXPECT(assist(VMASST_CMD_enable, 6), -XEN_EINVAL);
    EXPECT(assist(VMASST_CMD_enable, 31), -XEN_EINVAL);
    EXPECT(assist(VMASST_CMD_enable, 63), -XEN_EINVAL);
    EXPECT(assist(VMASST_CMD_enable, 64), -XEN_EINVAL);
    EXPECT(assist(VMASST_CMD_enable, 0xffffffffU), -XEN_EINVAL);
    EXPECT(assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments_notify), 0);
    EXPECT(assist(VMASST_CMD_disable, VMASST_TYPE_4gb_segments_notify), 0);
    EXPECT(assist(2, VMASST_TYPE_4gb_segments), -XEN_ENOSYS);
    EXPECT(assist(2, 6), -XEN_EINVAL);
}

static const struct report_case cases[] = {
    REPORT_CASE(m2p_of_user_roots),
    REPORT_CASE(m2p_strict),
    REPORT_CASE(architectural_iopl),
    REPORT_CASE(unknown),
};

GUEST_FAMILY(assists, REPORT_SUITE("vm_assist", cases));
