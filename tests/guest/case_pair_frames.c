// SPDX-License-Identifier: MIT
// mmu_update, update_va_mapping_otherdomain and mmuext_op with the frames and tables of another domain.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/vcpu.h>

#include "dom0/domctl.h"

#define PTE_GLOBAL (1L << 8)
#define PATTERN 0x1122334455667788UL
#define VGA_FRAME 0xb8UL
#define APIC_FRAME 0xfee00UL
// foreigndom of mmu_update with tables of another domain.
#define TABLES_OF(dom) ((uint32_t)((dom) + 1) << 16)

// --- in either domain ----------------------------------------------------------------------------------

static char *window;

static void *window_get(void)
{
    if (!window)
        window = memory_reserve(2);
    return window;
}

// Maps a frame at the window as a frame of the domain: the result of the call.
static long map_frame(long mfn, long dom, long flags)
{
    struct mmu_update u = {.ptr = memory_pte_maddr(window_get()) | MMU_NORMAL_PT_UPDATE,
                           .val = pte_make((uint64_t)mfn, (uint64_t)flags)};
    long result = hypercall_mmu_update(&u, 1, NULL, (domid_t)dom);

    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
    return result;
}

static long map_frame_by_address(long mfn, long dom, long flags)
{
    uint64_t entry = pte_make((uint64_t)mfn, (uint64_t)flags);
    void *address = window_get();

    return HYPERCALL4(__HYPERVISOR_update_va_mapping_otherdomain, address, entry,
                      UVMF_INVLPG | UVMF_LOCAL, dom);
}

// mmu_update with all 32 bits of foreigndom.
static long update_as(struct mmu_update *u, unsigned int *done, uint32_t foreign)
{
    return HYPERCALL4(__HYPERVISOR_mmu_update, u, 1, done, foreign);
}

static long unmap_frame(void)
{
    return hypercall_update_va_mapping(window_get(), 0, UVMF_INVLPG | UVMF_ALL);
}

static long foreign_mmuext(long command, long mfn, long dom)
{
    struct mmuext_op op = {.cmd = (unsigned int)command};

    op.arg1.mfn = (xen_pfn_t)mfn;
    op.arg2.src_mfn = (xen_pfn_t)mfn;
    return hypercall_mmuext_op(&op, 1, NULL, (domid_t)dom);
}

static long machphys(long mfn, long value, long dom)
{
    struct mmu_update u = {.ptr = (uint64_t)mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE,
                           .val = (uint64_t)value};

    return hypercall_mmu_update(&u, 1, NULL, (domid_t)dom);
}

// --- in the peer: one page to play with ----------------------------------------------------------------

static uint64_t *toy;

static long toy_make(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    if (!toy)
        toy = page_alloc(0);
    memset(toy, 0, PAGE_SIZE);
    toy[0] = PATTERN;
    return (long)virt_to_mfn(toy);
}

static long toy_word(long index, long unused, long unused2)
{
    (void)unused, (void)unused2;
    return (long)toy[index];
}

// Makes an L1 table of it (empty, or with one entry), pins and unpins it.
static long toy_pin(long entry, long level, long unused)
{
    long result;

    (void)unused;
    memset(toy, 0, PAGE_SIZE);
    toy[0] = (uint64_t)entry;
    EXPECT(page_set_readonly(toy), 0);
    result = mmuext((unsigned int)(MMUEXT_PIN_L1_TABLE + level - 1), virt_to_mfn(toy));
    if (result == 0)
        EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(toy)), 0);
    EXPECT(page_set_writable(toy), 0);
    return result;
}

static long toy_readonly(long on, long unused, long unused2)
{
    (void)unused, (void)unused2;
    if (on)
        memset(toy, 0, PAGE_SIZE);
    return on ? page_set_readonly(toy) : page_set_writable(toy);
}

// --- cases -------------------------------------------------------------------------------------------

static void mapped_by_dom0(void)
{
    struct peer *peer = peer_get(0);
    uint64_t value = 0;
    long mfn;

    REQUIRE(peer && window_get());
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM | PTE_RW), 0);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, PATTERN);
    EXPECT_TRUE(probe_write(window + 8, 42));
    EXPECT(peer_call(peer, toy_word, 1, 0, 0), 42);
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM), 0);
    EXPECT_TRUE(!probe_write(window, 1));
    EXPECT(unmap_frame(), 0);
    EXPECT(map_frame_by_address(mfn, peer->domid, PTE_RAM | PTE_RW), 0);
    EXPECT_TRUE(probe_write(window + 16, 43));
    EXPECT(peer_call(peer, toy_word, 2, 0, 0), 43);
    EXPECT(unmap_frame(), 0);
}

// It depends on the number of the domain that is given, and on no other.
static void mapped_as_whose(void)
{
    struct peer *peer = peer_get(0), *other = peer_get(1);
    long mfn, own = (long)virt_to_mfn(&pair_box);

    REQUIRE(peer && other && window_get());
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(map_frame(mfn, DOMID_SELF, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame(mfn, 0, PTE_RAM), -XEN_ESRCH); // oneself is no foreign domain
    EXPECT(map_frame(mfn, other->domid, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame(mfn, ABSENT_DOMAIN, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame(mfn, DOMID_IDLE, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame(mfn, DOMID_INVALID, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame(mfn, DOMID_COW, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame(mfn, DOMID_IO, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame(mfn, DOMID_XEN, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame(own, peer->domid, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame(ABSENT_FRAME, peer->domid, PTE_RAM), -XEN_EPERM);
    EXPECT_TRUE(!probe_read(window, NULL));
    EXPECT(map_frame_by_address(mfn, DOMID_SELF, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame_by_address(mfn, 0, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame_by_address(mfn, ABSENT_DOMAIN, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame_by_address(mfn, other->domid, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame_by_address(own, peer->domid, PTE_RAM), -XEN_EBUSY);
    // Taking away works in any name.
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM), 0);
    EXPECT(map_frame_by_address(0, other->domid, 0), 0);
    EXPECT_TRUE(!probe_read(window, NULL));
}

// The guest tries the same with dom0's frames.
static long map_of_dom0(long own, long dom0_mfn, long self)
{
    static const long foreign[] = {0, DOMID_XEN};
    static const long absent[] = {ABSENT_DOMAIN, DOMID_IDLE, DOMID_INVALID, DOMID_COW};
    struct mmu_update none = {.ptr = 0};
    unsigned int done = 77;

    for (size_t i = 0; i < 2; i++) {
        EXPECT(map_frame(dom0_mfn, foreign[i], PTE_RAM), -XEN_EPERM);
        EXPECT(map_frame(own, foreign[i], PTE_RAM), -XEN_EPERM);
        EXPECT(map_frame_by_address(dom0_mfn, foreign[i], PTE_RAM), -XEN_EPERM);
    }
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        EXPECT(map_frame(dom0_mfn, absent[i], PTE_RAM), -XEN_ESRCH);
        EXPECT(map_frame_by_address(dom0_mfn, absent[i], PTE_RAM), -XEN_ESRCH);
    }
    EXPECT(map_frame(dom0_mfn, self, PTE_RAM), -XEN_ESRCH);
    EXPECT(map_frame(dom0_mfn, DOMID_SELF, PTE_RAM), -XEN_EBUSY);
    EXPECT(map_frame(dom0_mfn, DOMID_SELF, PTE_RAM | PTE_RW), -XEN_EBUSY);
    EXPECT(map_frame(dom0_mfn, DOMID_IO, PTE_RAM), -XEN_EBUSY);
    // Tables of dom0.
    EXPECT(update_as(&none, &done, TABLES_OF(0) | DOMID_SELF), -XEN_EPERM);
    return 0;
}

static void mapped_by_the_guest(void)
{
    struct peer *peer = peer_get(0);
    long mfn;

    REQUIRE(peer);
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(peer_call(peer, map_of_dom0, mfn, (long)virt_to_mfn(&pair_box), peer->domid), 0);
}

// Device frames and holes, in a domain that has been given none.
static long map_devices(long dom, long unused, long unused2)
{
    (void)unused, (void)unused2;
    EXPECT(map_frame(VGA_FRAME, dom, PTE_RAM), -XEN_EPERM);
    EXPECT(map_frame(VGA_FRAME, dom, PTE_RAM | PTE_PCD), -XEN_EINVAL);
    EXPECT(map_frame(VGA_FRAME, dom, PTE_RAM | PTE_PWT), -XEN_EINVAL);
    EXPECT(map_frame((long)virt_to_mfn(toy), DOMID_SELF, PTE_RAM | PTE_PCD), -XEN_EINVAL);
    EXPECT(map_frame((long)virt_to_mfn(toy), DOMID_SELF, PTE_RAM | PTE_PSE), -XEN_EINVAL);
    EXPECT(map_frame_by_address(VGA_FRAME, DOMID_IO, PTE_RAM), -XEN_EPERM);
    EXPECT(map_frame_by_address((long)virt_to_mfn(toy), DOMID_SELF, PTE_RAM | PTE_PCD),
           -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping(window, pte_make(virt_to_mfn(toy), PTE_RAM | PTE_PCD),
                                       UVMF_INVLPG),
           -XEN_EINVAL);
    EXPECT(map_frame_by_address((long)virt_to_mfn(toy), DOMID_IO, PTE_RAM), -XEN_EPERM);
    EXPECT(map_frame(VGA_FRAME, dom, PTE_RAM | PTE_RW), -XEN_EPERM);
    EXPECT(map_frame(APIC_FRAME, dom, PTE_RAM | PTE_RW), -XEN_EPERM);
    EXPECT(map_frame(0xfec00, dom, PTE_RAM), -XEN_EPERM);
    EXPECT(map_frame(0x800000, dom, PTE_RAM), -XEN_EPERM);
    EXPECT(map_frame(0, dom, PTE_RAM), -XEN_EPERM);
    EXPECT_TRUE(!probe_read(window, NULL));
    return 0;
}

static void devices_of_a_guest(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT_TRUE(peer_call(peer, toy_make, 0, 0, 0) > 0);
    EXPECT(peer_call(peer, map_devices, DOMID_SELF, 0, 0), 0);
    EXPECT(peer_call(peer, map_devices, DOMID_IO, 0, 0), 0);
}

// Entries of the peer's tables, written by dom0.
static void tables_of_another(void)
{
    struct peer *peer = peer_get(0);
    struct mmu_update u;
    uint32_t whose;
    uint64_t entry;
    long mfn;

    REQUIRE(peer);
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(peer_call(peer, toy_readonly, 1, 0, 0), 0);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, peer->domid), 0);
    whose = TABLES_OF(peer->domid);
    entry = ((uint64_t)mfn << PAGE_SHIFT) + 8;
    u = (struct mmu_update){.ptr = entry, .val = pte_make((uint64_t)mfn, PTE_RAM)};
    EXPECT(update_as(&u, NULL, whose | peer->domid), 0);
    // What a 64-bit guest maps for its user mode Xen makes global, too.
    EXPECT(peer_call(peer, toy_word, 1, 0, 0) & ~PTE_GLOBAL,
           (long)pte_make((uint64_t)mfn, PTE_RAM));
    // The peer's table is none of dom0's own.
    EXPECT(hypercall_mmu_update(&u, 1, NULL, DOMID_SELF), -XEN_EINVAL);
    EXPECT(update_as(&u, NULL, TABLES_OF(ABSENT_DOMAIN) | peer->domid), -XEN_ESRCH);
    // What the peer may not map, it may not be given either.
    u.val = pte_make((uint64_t)mfn, PTE_RAM | PTE_RW);
    EXPECT(update_as(&u, NULL, whose | peer->domid), -XEN_EBUSY);
    u.val = pte_make(peer->root_mfn, PTE_RAM | PTE_RW);
    EXPECT(update_as(&u, NULL, whose | peer->domid), -XEN_EBUSY);
    u.val = pte_make(virt_to_mfn(&pair_box), PTE_RAM);
    EXPECT(update_as(&u, NULL, whose | peer->domid), -XEN_EBUSY);
    u.val = 0;
    EXPECT(update_as(&u, NULL, whose | DOMID_SELF), 0);
    EXPECT(peer_call(peer, toy_word, 1, 0, 0), 0);
    EXPECT(foreign_mmuext(MMUEXT_UNPIN_TABLE, mfn, peer->domid), 0);
    EXPECT(peer_call(peer, toy_readonly, 0, 0, 0), 0);
}

static void pins_for_another(void)
{
    struct peer *peer = peer_get(0);
    long mfn, own = (long)virt_to_mfn(&pair_box);

    REQUIRE(peer && window_get());
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, peer->domid), -XEN_EINVAL); // mapped writable
    EXPECT(peer_call(peer, toy_readonly, 1, 0, 0), 0);
    EXPECT(foreign_mmuext(MMUEXT_UNPIN_TABLE, mfn, peer->domid), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, own, peer->domid), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, ABSENT_FRAME, peer->domid), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0), -XEN_ESRCH);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, peer->domid), 0);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, mfn, peer->domid), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_PIN_L2_TABLE, mfn, peer->domid), -XEN_EINVAL);
    // A table is read by dom0, not written.
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM | PTE_RW), -XEN_EBUSY);
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM), 0);
    EXPECT(unmap_frame(), 0);
    EXPECT(foreign_mmuext(MMUEXT_UNPIN_TABLE, mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_UNPIN_TABLE, mfn, peer->domid), 0);
    EXPECT(foreign_mmuext(MMUEXT_UNPIN_TABLE, mfn, peer->domid), -XEN_EINVAL);
    EXPECT(peer_call(peer, toy_readonly, 0, 0, 0), 0);
}

// What dom0 has mapped writable is no table of the peer's; a table's entries name no frames of dom0.
static void tables_of_the_guest(void)
{
    struct peer *peer = peer_get(0);
    uint64_t own = virt_to_mfn(&pair_box);
    long mfn;

    REQUIRE(peer && window_get());
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM | PTE_RW), 0);
    EXPECT(peer_call(peer, toy_pin, 0, 1, 0), -XEN_EINVAL);
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM), 0);
    EXPECT(peer_call(peer, toy_pin, 0, 1, 0), 0);
    EXPECT(unmap_frame(), 0);
    EXPECT(peer_call(peer, toy_pin, (long)pte_make(own, PTE_RAM), 1, 0), -XEN_EBUSY);
    EXPECT(peer_call(peer, toy_pin, (long)pte_make(own, PTE_RAM | PTE_RW), 1, 0), -XEN_EBUSY);
    EXPECT(peer_call(peer, toy_pin, (long)pte_make(own, PTE_TABLE), 2, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, toy_pin, (long)pte_make(own, PTE_TABLE), 3, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, toy_pin, (long)pte_make(own, PTE_TABLE), 4, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, toy_pin, (long)pte_make(APIC_FRAME, PTE_RAM), 1, 0), -XEN_EPERM);
}

static void contents_of_another(void)
{
    struct peer *peer = peer_get(0);
    struct mmuext_op op = {.cmd = MMUEXT_COPY_PAGE};
    long mfn, own = (long)virt_to_mfn(&pair_box);

    REQUIRE(peer);
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(foreign_mmuext(MMUEXT_COPY_PAGE, mfn, peer->domid), 0); // onto itself
    EXPECT(foreign_mmuext(MMUEXT_CLEAR_PAGE, mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_CLEAR_PAGE, own, peer->domid), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_CLEAR_PAGE, (long)peer->root_mfn, peer->domid), -XEN_EINVAL);
    EXPECT(peer_call(peer, toy_word, 0, 0, 0), (long)PATTERN);
    op.arg1.mfn = (xen_pfn_t)mfn;
    op.arg2.src_mfn = (xen_pfn_t)own; // both of one domain
    EXPECT(hypercall_mmuext_op(&op, 1, NULL, peer->domid), -XEN_EINVAL);
    op.arg1.mfn = (xen_pfn_t)own;
    op.arg2.src_mfn = (xen_pfn_t)mfn;
    EXPECT(hypercall_mmuext_op(&op, 1, NULL, peer->domid), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_CLEAR_PAGE, mfn, peer->domid), 0);
    EXPECT(peer_call(peer, toy_word, 0, 0, 0), 0);
}

// What changes the caller itself is not for another domain; the guest may do nothing in another's name.
static long mmuext_of_dom0(long own, long dom0_mfn, long unused)
{
    (void)unused;
    for (long command = MMUEXT_PIN_L1_TABLE; command <= MMUEXT_FLUSH_CACHE_GLOBAL; command++) {
        if (command == MMUEXT_NEW_BASEPTR || command == MMUEXT_NEW_USER_BASEPTR)
            continue;
        EXPECT(foreign_mmuext(command, own, 0) * 100 - command, -XEN_EPERM * 100 - command);
        EXPECT(foreign_mmuext(command, own, ABSENT_DOMAIN) * 100 - command,
               -XEN_ESRCH * 100 - command);
    }
    EXPECT(foreign_mmuext(MMUEXT_PIN_L1_TABLE, dom0_mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_UNPIN_TABLE, dom0_mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_CLEAR_PAGE, dom0_mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_COPY_PAGE, dom0_mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_NEW_BASEPTR, dom0_mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_NEW_USER_BASEPTR, dom0_mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(foreign_mmuext(MMUEXT_FLUSH_CACHE, 0, DOMID_SELF), -XEN_EACCES);
    EXPECT(foreign_mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, DOMID_SELF),
           SINCE_XEN(20) ? -XEN_EACCES : -XEN_EINVAL);
    return 0;
}

static void mmuext_by_the_guest(void)
{
    struct peer *peer = peer_get(0);
    long mfn;

    REQUIRE(peer);
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(peer_call(peer, mmuext_of_dom0, mfn, (long)virt_to_mfn(&pair_box), 0), 0);
    EXPECT(peer_call(peer, toy_word, 0, 0, 0), (long)PATTERN);
}

static void own_only(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(foreign_mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_TLB_FLUSH_ALL, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_INVLPG_LOCAL, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_INVLPG_ALL, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_INVLPG_MULTI, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_FLUSH_CACHE, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_SET_LDT, 0, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_NEW_USER_BASEPTR, (long)peer->root_mfn, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_NEW_BASEPTR, (long)peer->root_mfn, peer->domid), -XEN_EPERM);
    EXPECT(foreign_mmuext(MMUEXT_NEW_BASEPTR, (long)peer->root_mfn, DOMID_SELF), -XEN_EINVAL);
}

// --- machine-to-phys ---------------------------------------------------------------------------------

static long machphys_of_dom0(long own, long dom0_mfn, long unused)
{
    (void)unused;
    EXPECT(machphys(own, 4711, DOMID_SELF), 0);
    EXPECT(((uint64_t *)MACH2PHYS_VIRT_START)[own], 4711);
    EXPECT(machphys(own, (long)virt_to_pfn(toy), DOMID_SELF), 0);
    EXPECT(machphys(dom0_mfn, 1, DOMID_SELF), -XEN_EINVAL);
    EXPECT(machphys(dom0_mfn, 1, 0), -XEN_EPERM);
    EXPECT(machphys(dom0_mfn, 1, DOMID_XEN), -XEN_EPERM);
    EXPECT(machphys(ABSENT_FRAME >> 4, 1, DOMID_SELF), -XEN_EINVAL);
    return 0;
}

static void machphys_entries(void)
{
    struct peer *peer = peer_get(0);
    uint64_t own = virt_to_mfn(&pair_box), before;
    long mfn;

    REQUIRE(peer);
    before = ((uint64_t *)MACH2PHYS_VIRT_START)[own];
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(peer_call(peer, machphys_of_dom0, mfn, (long)own, 0), 0);
    EXPECT(((uint64_t *)MACH2PHYS_VIRT_START)[own], before);
    EXPECT(machphys(mfn, 99, peer->domid), 0);
    EXPECT(((uint64_t *)MACH2PHYS_VIRT_START)[mfn], 99);
    EXPECT(machphys(mfn, 98, DOMID_SELF), -XEN_EINVAL);
    EXPECT(machphys((long)own, 98, peer->domid), -XEN_EINVAL);
}

// --- other calls that take frame numbers ---------------------------------------------------------------

static long frames_for_the_cpu(long dom0_mfn, long self, long unused)
{
    unsigned long frames[1] = {(unsigned long)dom0_mfn};
    struct vcpu_register_vcpu_info info = {.mfn = (uint64_t)dom0_mfn};
    physdev_pirq_eoi_gmfn_t eoi = {.gmfn = (xen_ulong_t)dom0_mfn};

    (void)self, (void)unused;
    EXPECT(hypercall_set_gdt(frames, 8), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor((uint64_t)dom0_mfn << PAGE_SHIFT, 0), -XEN_EINVAL);
    EXPECT(hypercall_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -XEN_EINVAL);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v1, &eoi), -XEN_EINVAL);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &eoi), -XEN_EINVAL);
    return 0;
}

static void frames_of_dom0_elsewhere(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, frames_for_the_cpu, (long)virt_to_mfn(&pair_box), peer->domid, 0), 0);
}

// --- frames that their owner gives up --------------------------------------------------------------------

static long toy_give_up(long unused, long unused2, long unused3)
{
    xen_pfn_t frame = virt_to_mfn(toy);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    (void)unused, (void)unused2, (void)unused3;
    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(page_set_absent(toy), 0);
    return hypercall_memory_op(XENMEM_decrease_reservation, &r);
}

// The guest cannot give up what dom0 maps without dom0 keeping the frame: nobody else gets it meanwhile.
static void given_up_while_mapped(void)
{
    struct peer *peer = peer_get(0);
    uint64_t value = 0;
    domid_t domid;
    long mfn;

    REQUIRE(peer && window_get());
    mfn = peer_call(peer, toy_make, 0, 0, 0);
    EXPECT(map_frame(mfn, peer->domid, PTE_RAM | PTE_RW), 0);
    EXPECT(peer_call(peer, toy_give_up, 0, 0, 0), 1);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, PATTERN);
    domid = peer_detach(peer);
    EXPECT(domctl_destroy(domid), 0);
    EXPECT_TRUE(pair_is_dying(domid));
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, PATTERN);
    EXPECT(unmap_frame(), 0);
    EXPECT_TRUE(pair_is_gone(domid));
}

static const struct report_case cases[] = {
    REPORT_CASE(mapped_by_dom0),        REPORT_CASE(mapped_as_whose),
    REPORT_CASE(mapped_by_the_guest),   REPORT_CASE(devices_of_a_guest),
    REPORT_CASE(tables_of_another),     REPORT_CASE(pins_for_another),
    REPORT_CASE(tables_of_the_guest),   REPORT_CASE(contents_of_another),
    REPORT_CASE(mmuext_by_the_guest),   REPORT_CASE(own_only),
    REPORT_CASE(machphys_entries),      REPORT_CASE(frames_of_dom0_elsewhere),
    REPORT_CASE(given_up_while_mapped),
};

GUEST_FAMILY(pair_frames, REPORT_SUITE("pair_frames", cases));
