// SPDX-License-Identifier: MIT
// Page faults (page_fault.h). Two kinds are ours:
// - An access to a page of the LDT window that has not been mapped yet: descriptor tables are read by
//   the processor as supervisor, whoever loads the selector.
// - A stale translation: rights were raised in the table (by another vcpu, or without a flush) and the
//   TLB still had the old ones. The processor has dropped the entry with the fault; the walk below
//   decides by the tables in memory whether to retry. Only faults on present pages are looked at: the
//   TLB never holds absent ones.
//   One that stays all the same is not retried for ever: it goes to the guest, whatever its cause.
// And one kind is emulated: stores into page tables (emulate_store.c). Everything else goes to the
// guest.
#include "hypervisor/descriptors.h"
#include "hypervisor/emulate.h"
#include "hypervisor/traps.h"

#define RETRIES_MAX 1000       // of one fault in a row
#define RETRY_WINDOW 100000000 // ns from one to the next; a busy host may delay us
#define LEVELS 4
#define INDEX_BITS 9

// Do the tables that the CPU uses now allow the access? The walk reads tables that other CPUs may be
// changing or freeing, so each one is looked up as RAM first; a wrong answer only costs a retry or a
// fault that the guest sees.
static bool tables_allow(uint64_t address, uint32_t access)
{
    maddr_t table = MADDR(read_cr3() & PTE_ADDRESS);
    uint64_t needed = PTE_PRESENT | PTE_USER | (access & PFEC_WRITE ? PTE_RW : 0);

    for (unsigned level = LEVELS; level > 0; level--) {
        if (!frame_from_mfn(maddr_to_mfn(table)))
            return false;
        const uint64_t *entries = maddr_to_virt(table);
        unsigned shift = PAGE_SHIFT + (level - 1) * INDEX_BITS;
        uint64_t e = __atomic_load_n(&entries[address >> shift & (PTES - 1)], __ATOMIC_RELAXED);
        if ((e & needed) != needed || (access & PFEC_FETCH && e & PTE_NX))
            return false;
        if (level > 1 && e & PTE_PSE)
            return true;
        table = MADDR(e & PTE_ADDRESS);
    }
    return true;
}

// What SMEP and SMAP forbid, whatever the tables say: all that a guest can reach is a user page. Accesses of the
// supervisor that an instruction of user mode makes are implicit ones, which AC does not allow.
static bool is_supervisor_kept_out(const struct cpu_user_regs *regs)
{
    bool implicit = regs->cs & 3;

    if (regs->error_code & PFEC_USER)
        return false;
    return (regs->error_code & PFEC_FETCH && cpu_features.smep) ||
           (cpu_features.smap && (implicit || !(regs->rflags & EFLAGS_AC)));
}

static bool is_spurious(const struct cpu_user_regs *regs, uint64_t address)
{
    uint32_t access = regs->error_code;
    uint32_t kind = access & (PFEC_PRESENT | PFEC_WRITE | PFEC_USER | PFEC_FETCH);

    // Other bits (reserved bits set, protection keys) are no matter of stale rights.
    if (!(access & PFEC_PRESENT) || kind != access || is_supervisor_kept_out(regs))
        return false;
    return tables_allow(address, access);
}

// A fault that comes back at once with all registers as they were is not cured by trying again.
static bool may_retry(struct vcpu *v, const struct cpu_user_regs *regs, uint64_t address)
{
    struct fault_retry *last = &v->traps.retry;
    uint64_t now = time_now();
    bool again = last->address == address && now - last->time < RETRY_WINDOW &&
                 !memcmp(&last->regs, regs, offsetof(struct cpu_user_regs, es));

    last->count = again ? last->count + 1 : 0;
    last->regs = *regs;
    last->address = address;
    last->time = now;
    return last->count < RETRIES_MAX;
}

// Byte offset into the running CPU's LDT window, or ~0.
static uint64_t ldt_window_offset(uint64_t address)
{
    uint64_t offset = address - cpu_ldt_window(this_cpu_id());

    return offset < LDT_PAGES * PAGE_SIZE ? offset : ~0ull;
}

static bool in_hypervisor_range(uint64_t address)
{
    return address >= HV_VIRT_START && address < HV_VIRT_END;
}

void guest_page_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    const uint32_t kind = regs->error_code &
                          (PFEC_PRESENT | PFEC_WRITE | PFEC_RESERVED | PFEC_FETCH);
    const bool is_store = kind == (PFEC_PRESENT | PFEC_WRITE);

    if (in_hypervisor_range(address)) {
        uint64_t offset = ldt_window_offset(address);
        if (!(regs->error_code & PFEC_USER) && offset != ~0ull) {
            if (ldt_map_page(v, offset))
                return;
            // As if the processor had looked at the table where the guest has it.
            address = v->traps.ldt_base + offset;
        }
    } else if (is_spurious(regs, address) && may_retry(v, regs, address)) {
        return;
    } else if (v->in_kernel && is_store && emulate_table_store(v, regs, address)) {
        return; // into one of its page tables: as on Xen, it need not have asked for it by vm_assist
    }
    guest_inject_page_fault(regs, regs->error_code, address);
}

bool hypervisor_page_fault(const struct cpu_user_regs *regs, uint64_t address)
{
    struct vcpu *v = current_vcpu();

    if (!v || v->domain->is_idle)
        return false;
    if (in_hypervisor_range(address)) {
        uint64_t offset = ldt_window_offset(address);
        return offset != ~0ull && ldt_map_page(v, offset);
    }
    return is_spurious(regs, address) && may_retry(v, regs, address);
}
