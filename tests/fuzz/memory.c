// SPDX-License-Identifier: MIT
// Fuzzer: page tables, types, pins, mappings.
#include "tests/fuzz/fuzz.h"
#include "pvguest/start.h"
#include "tests/guest/guest.h"
#include <string.h>
#include <xen/memory.h>

#define BATCH 4U
#define PTE_GLOBAL (1UL << 8)
#define PTE_PAT PTE_PSE // in level 1

static const uint64_t entry_flags[] = {
    PTE_RAM,
    PTE_RAM | PTE_RW,
    PTE_P,
    PTE_P | PTE_RW,
    PTE_TABLE,
    PTE_RAM | PTE_NX,
    PTE_RAM | PTE_RW | PTE_NX,
    0,
    PTE_TABLE | PTE_PSE,
    PTE_RAM | PTE_PWT,
    PTE_RAM | PTE_PCD | PTE_RW,
    PTE_TABLE | PTE_AVAIL,
    PTE_RAM | 1UL << 8,
    PTE_RAM | 1UL << 10,
    PTE_TABLE | PTE_NX,
};
#define FLAG_KINDS (sizeof(entry_flags) / sizeof(entry_flags[0]))

static unsigned int last_frame; // of fuzz_pick_entry

// An entry for some frame, logged as "frame/flags".
uint64_t fuzz_pick_entry(void)
{
    unsigned int frame = fuzz_pick_frame(), kind = fuzz_random(fuzz_chance(70) ? 7 : FLAG_KINDS);

    if (fuzz_chance(8)) {
        fuzz_log(" none");
        return 0;
    }
    // Cache bits for a page of the hypervisor's are EACCES on Xen; Paravane ignores them for all RAM.
    uint64_t flags = entry_flags[kind];
    if (fuzz_mfn(frame) == start_info_page->shared_info >> PAGE_SHIFT)
        flags &= ~(PTE_PWT | PTE_PCD | PTE_PAT);
    last_frame = frame;
    fuzz_log(" f%u/%#lx", frame, flags);
    return (fuzz_mfn(frame) << PAGE_SHIFT) | flags;
}

// Indices where something happens: the first few, around the hypervisor's slots, the last.
static unsigned int pick_index(void)
{
    static const unsigned short special[] = {255, 256, 257, 271, 272, 511};

    return fuzz_chance(80) ? fuzz_random(6) : special[fuzz_random(6)];
}

// What a frame may hold so that the hypervisors agree on it as a table. Three differences are deliberate:
// - Xen sets the global bit in user entries of level-1 tables and leaves cache bits there, and refuses
//   both in tables of higher levels; Paravane keeps them out of all. They would tell of a frame that has
//   been the one and becomes the other.
// - When level 4 is refused because of a table of level 2 that is named by the first slot of level 3, Xen
//   forgets that table, which then keeps its type for good; Paravane takes everything down. So that slot
//   is not in use there.
// - What each leaves of its own in the slots 256 to 271 of a table that was of level 4.
// So clear these in whatever hangs below `index` and is no table now. `seen` has a bit for each frame, by
// level.
#define TOP_LEVEL 4U
#define OUR_SLOT_FIRST 256U
#define OUR_SLOTS 16U
static void clear_differences(unsigned int index, unsigned int level, uint64_t *seen)
{
    static uint64_t *window;
    unsigned int below[PAGE_SIZE / sizeof(uint64_t)], count = 0;

    if (index >= FUZZ_FRAMES || level < 1 || seen[level] & 1UL << index)
        return;
    seen[level] |= 1UL << index;
    if (!window)
        window = memory_reserve(1);
    uint64_t entry = (fuzz_frames[index].mfn << PAGE_SHIFT) | PTE_RAM | PTE_RW;
    if (hypercall_update_va_mapping(window, entry, UVMF_INVLPG) != 0)
        return; // a table already
    if (level == TOP_LEVEL - 1 && seen[TOP_LEVEL])
        window[0] = 0;
    memset(&window[OUR_SLOT_FIRST], 0, OUR_SLOTS * sizeof(*window));
    for (unsigned int i = 0; level > 1 && i < PAGE_SIZE / sizeof(uint64_t); i++) {
        if (!(window[i] & PTE_P))
            continue;
        window[i] &= ~(PTE_GLOBAL | PTE_PWT | PTE_PCD | PTE_PAT);
        below[count++] = fuzz_frame_of(window[i]);
    }
    hypercall_update_va_mapping(window, 0, UVMF_INVLPG);
    for (unsigned int i = 0; i < count; i++)
        clear_differences(below[i], level - 1, seen);
}

void fuzz_prepare_table(unsigned int index, unsigned int level)
{
    uint64_t seen[TOP_LEVEL + 1] = {0};

    clear_differences(index, level, seen);
}

static domid_t pick_domain(void)
{
    static const domid_t odd[] = {0, 1, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID, 0x1234};

    return fuzz_chance(92) ? DOMID_SELF : odd[fuzz_random(sizeof(odd) / sizeof(odd[0]))];
}

static void op_mmu_update(void)
{
    struct mmu_update request[BATCH];
    unsigned int count = 1 + (fuzz_chance(20) ? fuzz_random(BATCH) : 0), done = 0;
    domid_t domain = pick_domain();

    for (unsigned int i = 0; i < count; i++) {
        unsigned int table = fuzz_pick_frame(), index = pick_index();
        unsigned int command = fuzz_chance(75) ? 0 : fuzz_random(8);
        fuzz_log(" t%u[%u]:%u", table, index, command);
        request[i].ptr = (fuzz_mfn(table) << PAGE_SHIFT) + index * 8 + command;
        if (command == MMU_MACHPHYS_UPDATE) {
            request[i].ptr = (fuzz_mfn(table) << PAGE_SHIFT) + command;
            request[i].val = table < FUZZ_FRAMES ? fuzz_frames[table].pfn : 0;
        } else {
            request[i].val = fuzz_pick_entry();
            fuzz_prepare_table(last_frame, 3);
        }
    }
    long result = hypercall_mmu_update(request, count, &done, domain);
    fuzz_log(" d%#x = %ld done %u", domain, result, done);
}

static void op_map(void)
{
    unsigned int at = fuzz_random(FUZZ_FRAMES);
    static const unsigned char flags[] = {
        0, UVMF_INVLPG, UVMF_TLB_FLUSH, UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH | UVMF_ALL, 3};
    unsigned long flush = flags[fuzz_random(sizeof(flags))];
    uint64_t entry;

    fuzz_log(" a%u", at);
    if (fuzz_chance(60)) {
        // The page that belongs there: so that most pages stay usable.
        uint64_t rights = fuzz_chance(60) ? PTE_RAM | PTE_RW : fuzz_chance(50) ? PTE_RAM : 0;
        fuzz_log(" own/%#lx", rights);
        entry = rights ? (fuzz_frames[at].mfn << PAGE_SHIFT) | rights : 0;
    } else {
        entry = fuzz_pick_entry();
    }
    fuzz_log(" %#lx = %ld", flush,
             hypercall_update_va_mapping(fuzz_frames[at].address, entry, flush));
    // Else a store could still succeed by what the processor remembers.
    if ((flush & UVMF_FLUSHTYPE_MASK) != UVMF_INVLPG &&
        (flush & UVMF_FLUSHTYPE_MASK) != UVMF_TLB_FLUSH)
        mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)fuzz_frames[at].address);
}

// Addresses that no mapping of ours stands for.
static void op_map_odd(void)
{
    static const uint64_t addresses[] = {0,
                                         0x1000,
                                         0x7ffffffff000,
                                         0x800000000000,
                                         0xffff800000000000,
                                         0xffff830000000000,
                                         0xffff880000000000,
                                         0xfffffffffffff000};
    unsigned int n = fuzz_random(sizeof(addresses) / sizeof(addresses[0]));

    fuzz_log(" %u", n);
    uint64_t entry = fuzz_pick_entry();
    fuzz_log(" = %ld", hypercall_update_va_mapping((void *)addresses[n], entry, UVMF_INVLPG));
}

// A store to a page, which may be absent, read-only, or a table.
static void op_store(void)
{
    unsigned int at = fuzz_random(FUZZ_FRAMES), index = pick_index();

    fuzz_log(" a%u[%u]", at, index);
    uint64_t entry = fuzz_pick_entry();
    fuzz_log(" = %u", probe_write(fuzz_frames[at].address + index * 8, entry));
}

static const unsigned char pin_commands[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                             MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE};

static void op_pin(void)
{
    unsigned int frame = fuzz_pick_frame(), level = fuzz_chance(55) ? 0 : fuzz_random(4);

    fuzz_prepare_table(frame, level + 1);
    fuzz_log(" f%u L%u = %ld", frame, level + 1, mmuext(pin_commands[level], fuzz_mfn(frame)));
}

static void op_unpin(void)
{
    unsigned int frame = fuzz_pick_frame();

    fuzz_log(" f%u = %ld", frame, mmuext(MMUEXT_UNPIN_TABLE, fuzz_mfn(frame)));
}

// Make a page a table in one go: read-only, then pinned.
static void op_make_table(void)
{
    unsigned int frame = fuzz_random(FUZZ_FRAMES), level = fuzz_random(4);
    uint64_t entry = (fuzz_frames[frame].mfn << PAGE_SHIFT) | PTE_RAM;

    fuzz_prepare_table(frame, level + 1);
    long mapped = hypercall_update_va_mapping(fuzz_frames[frame].address, entry, UVMF_INVLPG);

    fuzz_log(" f%u L%u = %ld %ld", frame, level + 1, mapped,
             mmuext(pin_commands[level], fuzz_frames[frame].mfn));
}

// The vcpus of a flush, and an address for it.
static void pick_vcpus(struct mmuext_op *op)
{
    static const uint64_t masks[] = {0, 1, 2, 3, 4, ~0UL};
    static const uint64_t addresses[] = {0, 0x8000000000000000, 0xffff830000000000, ~0UL};
    unsigned int mask = fuzz_random(8), address = fuzz_random(8);

    fuzz_log(" m%u at%u", mask, address);
    if (address < 4)
        op->arg1.linear_addr = addresses[address];
    else
        op->arg1.linear_addr = (uint64_t)fuzz_frames[address].address;
    set_xen_guest_handle(op->arg2.vcpumask,
                         mask < 6 ? (const void *)&masks[mask] : HYPERVISOR_ADDRESS);
}

static void op_mmuext(void)
{
    static const unsigned char commands[] = {MMUEXT_TLB_FLUSH_LOCAL,
                                             MMUEXT_INVLPG_LOCAL,
                                             MMUEXT_TLB_FLUSH_ALL,
                                             MMUEXT_INVLPG_ALL,
                                             MMUEXT_TLB_FLUSH_MULTI,
                                             MMUEXT_INVLPG_MULTI,
                                             MMUEXT_FLUSH_CACHE_GLOBAL,
                                             MMUEXT_FLUSH_CACHE,
                                             MMUEXT_CLEAR_PAGE,
                                             MMUEXT_COPY_PAGE,
                                             MMUEXT_NEW_USER_BASEPTR,
                                             MMUEXT_SET_LDT,
                                             14,
                                             MMUEXT_MARK_SUPER,
                                             MMUEXT_UNMARK_SUPER,
                                             99,
                                             MMUEXT_CLEAR_PAGE,
                                             MMUEXT_COPY_PAGE,
                                             MMUEXT_NEW_USER_BASEPTR};
    struct mmuext_op ops[BATCH] = {{0}};
    unsigned int count = 1 + (fuzz_chance(20) ? fuzz_random(BATCH) : 0), done = 0;
    domid_t domain = pick_domain();

    for (unsigned int i = 0; i < count; i++) {
        unsigned int a = fuzz_pick_frame(), b = fuzz_pick_source();
        ops[i].cmd = commands[fuzz_random(sizeof(commands))];
        fuzz_log(" c%u f%u f%u", ops[i].cmd, a, b);
        ops[i].arg1.mfn = fuzz_mfn(a);
        ops[i].arg2.src_mfn = fuzz_mfn(b);
        if (ops[i].cmd == MMUEXT_SET_LDT || ops[i].cmd == MMUEXT_INVLPG_LOCAL ||
            ops[i].cmd == MMUEXT_INVLPG_ALL) {
            unsigned int odd = fuzz_chance(10) ? fuzz_random(4) : 0;
            ops[i].arg1.linear_addr = (uint64_t)fuzz_frames[a % FUZZ_FRAMES].address + odd;
            ops[i].arg2.nr_ents = fuzz_chance(90) ? fuzz_random(512) : 8193;
            fuzz_log(" +%u n%u", odd, ops[i].arg2.nr_ents);
        }
        if (ops[i].cmd == MMUEXT_TLB_FLUSH_MULTI || ops[i].cmd == MMUEXT_INVLPG_MULTI)
            pick_vcpus(&ops[i]);
        if (ops[i].cmd == MMUEXT_NEW_USER_BASEPTR)
            fuzz_prepare_table(a, 4);
        if (ops[i].cmd == MMUEXT_NEW_USER_BASEPTR && fuzz_chance(30)) {
            ops[i].arg1.mfn = 0;
            fuzz_log(" zero");
        }
    }
    long result = hypercall_mmuext_op(ops, count, &done, domain);
    fuzz_log(" d%#x = %ld done %u", domain, result, done);
}

static void op_reservation(void)
{
    domid_t domain = pick_domain();
    unsigned int command = fuzz_chance(50) ? XENMEM_current_reservation
                                           : XENMEM_maximum_reservation;

    long result = hypercall_memory_op(command, &domain);
    fuzz_log(" c%u d%#x = %ld", command, domain, result > 0 ? 1 : result);
}

static void op_multicall(void)
{
    struct multicall_entry entries[3] = {{0}};
    unsigned int count = 1 + fuzz_random(3);

    for (unsigned int i = 0; i < count; i++) {
        unsigned int at = fuzz_random(FUZZ_FRAMES);
        entries[i].op = fuzz_chance(90) ? __HYPERVISOR_update_va_mapping : 62 + fuzz_random(2);
        fuzz_log(" a%u", at);
        entries[i].args[0] = (uint64_t)fuzz_frames[at].address;
        entries[i].args[1] = fuzz_pick_entry();
        entries[i].args[2] = UVMF_INVLPG;
    }
    long result = hypercall_multicall(entries, count);
    fuzz_log(" = %ld", result);
    for (unsigned int i = 0; i < count; i++)
        fuzz_log(" %ld", (long)entries[i].result);
}

// What has come of all that: which frames are tables, and what is in them.
void fuzz_look(void)
{
    uint64_t contents = 0;

    for (unsigned int f = 0; f < FUZZ_FRAMES; f++)
        contents = (contents ^ fuzz_contents(f)) * 31;
    fuzz_log(" %016lx %016lx", fuzz_writable_frames(), contents);
}

const struct fuzz_operation fuzz_memory_operations[] = {
    {"mmu_update",  30, op_mmu_update },
    {"map",         22, op_map        },
    {"map_odd",     2,  op_map_odd    },
    {"store",       14, op_store      },
    {"pin",         8,  op_pin        },
    {"unpin",       8,  op_unpin      },
    {"make_table",  8,  op_make_table },
    {"mmuext",      8,  op_mmuext     },
    {"reservation", 1,  op_reservation},
    {"multicall",   4,  op_multicall  },
    {"look",        1,  fuzz_look     },
    {NULL,          0,  NULL          },
};
