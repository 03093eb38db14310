// SPDX-License-Identifier: MIT
// Writable page tables: a guest kernel that stores into one of its level-1 tables faults, because it maps tables read-only, and we do the store for it as mmu_update
// would have.
//
// The new entry is worked out from the old one that stands in the table, then written by
// page_entry_write() under the condition that the old one is still there; else all over again. So a
// store that reads (xchg, cmpxchg, and, or, bit operations) is as atomic as on the processor. What is
// refused there, or is no such store, is a page fault of the guest.
#include "hypervisor/emulate.h"
#include "hypervisor/page_entry.h"

#define ENTRY_BYTES sizeof(uint64_t)
#define TRIES 16 // then let the guest run into the fault again: others want to write, too
#define EFLAGS_PF 0x4u
#define EFLAGS_SF 0x80u
#define EFLAGS_OF 0x800u
#define EFLAGS_LOGIC (EFLAGS_CF | EFLAGS_PF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)

struct store {
    struct emulation e;
    struct frame *table;
    unsigned index;    // of the entry in the table
    unsigned shift;    // of the operand in the entry, in bits
    unsigned bytes;    // of the operand
    uint64_t mask;     // of the operand's bits, unshifted
    uint64_t old, new; // operand before and after
    uint64_t flags, flags_changed;
    bool reads;     // the result depends on the old value
    bool gives_old; // the old value goes to a register
};

// --- what the instruction computes

// or, and, xor by their numbers in the opcode.
static bool compute_logic(struct store *s, unsigned operation, uint64_t operand)
{
    if (operation != 1 && operation != 4 && operation != 6)
        return false;
    s->reads = true;
    s->new = operation == 1   ? s->old | operand
             : operation == 4 ? s->old &operand
                              : s->old ^ operand;
    s->new &= s->mask;
    s->flags_changed = EFLAGS_LOGIC;
    s->flags = (s->new ? 0 : EFLAGS_ZF) | (s->new >> (s->bytes * 8 - 1) & 1 ? EFLAGS_SF : 0) |
               (__builtin_parity((unsigned)(s->new & 0xff)) ? 0 : EFLAGS_PF);
    return true;
}

// bts, btr, btc by their numbers in the ModRM byte.
static bool compute_bit(struct store *s)
{
    uint64_t bit = 1ull << ((unsigned)s->e.insn.immediate & (s->bytes * 8 - 1));
    unsigned operation = s->e.insn.reg & 7;

    if (operation < 5)
        return false;
    s->reads = true;
    s->new = operation == 5 ? s->old | bit : operation == 6 ? s->old & ~bit : s->old ^ bit;
    s->flags_changed = EFLAGS_CF;
    s->flags = s->old & bit ? EFLAGS_CF : 0;
    return true;
}

static bool compute_cmpxchg(struct store *s, uint64_t operand)
{
    bool equal = (s->e.regs->rax & s->mask) == s->old;

    s->reads = true;
    s->gives_old = !equal;
    s->new = equal ? operand : s->old;
    s->flags_changed = EFLAGS_ZF; // the others follow the comparison, and nobody looks
    s->flags = equal ? EFLAGS_ZF : 0;
    return true;
}

// Byte registers 4..7 without REX are AH..BH: refused, for no kernel stores those into a table.
static bool compute(struct store *s)
{
    const struct instruction *i = &s->e.insn;
    uint64_t operand = *emulate_register(s->e.regs, i->reg) & s->mask;
    uint64_t immediate = (uint64_t)(int64_t)i->immediate & s->mask;

    switch (i->opcode) {
    case 0x88 ... 0x89:
    case OPCODE_0F(0xc3):
        s->new = operand;
        return true;
    case 0xc6 ... 0xc7:
        s->new = immediate;
        return (i->reg & 7) == 0;
    case 0xaa ... 0xab:
        s->new = s->e.regs->rax & s->mask;
        return true;
    case 0x86 ... 0x87:
        s->new = operand;
        s->reads = s->gives_old = true;
        return true;
    case 0x08 ... 0x09:
    case 0x20 ... 0x21:
    case 0x30 ... 0x31:
        return compute_logic(s, i->opcode >> 3, operand);
    case 0x80 ... 0x83:
        return compute_logic(s, i->reg & 7, immediate);
    case OPCODE_0F(0xba):
        return compute_bit(s);
    case OPCODE_0F(0xb0)... OPCODE_0F(0xb1):
        return compute_cmpxchg(s, operand);
    default:
        return false;
    }
}

// --- the operand

static bool is_string(const struct store *s)
{
    return s->e.insn.opcode == 0xaa || s->e.insn.opcode == 0xab;
}

// The operand must lie in the entry that faulted, and wholly.
static bool operand_find(struct store *s, uint64_t fault_address)
{
    const struct instruction *i = &s->e.insn;

    bool has_byte_form = i->opcode != OPCODE_0F(0xba) && i->opcode != OPCODE_0F(0xc3) &&
                         i->opcode != 0x83;
    s->bytes = has_byte_form && !(i->opcode & 1) ? 1 : i->operand_bytes;
    s->mask = s->bytes == 8 ? ~0ull : (1ull << (s->bytes * 8)) - 1;
    if (!i->is_64bit || (!is_string(s) && (!i->has_modrm || i->mod == 3)))
        return false;
    if (s->bytes == 1 && i->has_modrm && i->reg >= 4 && i->reg < 8 && i->opcode < 0x80)
        return false;
    uint64_t address = is_string(s) ? s->e.regs->rdi : emulate_operand_address(&s->e);
    unsigned offset = address % ENTRY_BYTES;
    s->index = (address & ~PAGE_MASK) / ENTRY_BYTES;
    s->shift = offset * 8;
    return address / ENTRY_BYTES == fault_address / ENTRY_BYTES && offset + s->bytes <= ENTRY_BYTES;
}

// A reference to the level-1 table behind `address`, if that is what is mapped there read-only.
static struct frame *table_get(struct vcpu *v, uint64_t address)
{
    uint64_t entry = page_entry_read(v, address);
    struct frame *f = frame_from_mfn(MFN((entry & PTE_ADDRESS) >> PAGE_SHIFT));

    if (!(entry & PTE_PRESENT) || entry & PTE_RW || !f)
        return NULL;
    uint64_t word = __atomic_load_n(&f->type, __ATOMIC_RELAXED);
    if (page_type_of(word) != PAGE_TYPE_L1 || !(word & TYPE_VALIDATED))
        return NULL;
    return frame_get(f, v->domain) == REFUSE_NONE ? f : NULL;
}

// --- the store

static enum refusal store_try(struct store *s)
{
    const uint64_t *slot = (const uint64_t *)frame_to_virt(s->table) + s->index;
    const struct domain *d = s->e.v->domain;
    struct entry_context context = {.table_owner = d, .frame_owner = d};
    uint64_t entry = __atomic_load_n(slot, __ATOMIC_RELAXED), expected = entry;

    s->old = entry >> s->shift & s->mask;
    if (!compute(s))
        return REFUSE_NO_SUBOP;
    bool conditional = s->reads || s->bytes != ENTRY_BYTES;
    uint64_t value = (entry & ~(s->mask << s->shift)) | s->new << s->shift;
    if (s->reads && value == entry)
        return REFUSE_NONE;
    return page_entry_write(&context, s->table, s->index, value, conditional ? &expected : NULL);
}

static void store_finish(struct store *s)
{
    struct cpu_user_regs *regs = s->e.regs;
    const struct instruction *i = &s->e.insn;

    regs->rflags = (regs->rflags & ~s->flags_changed) | s->flags;
    if (s->gives_old) {
        bool is_xchg = i->opcode == 0x86 || i->opcode == 0x87;
        uint64_t *to = is_xchg ? emulate_register(regs, i->reg) : &regs->rax;
        emulate_register_write(to, s->bytes, s->old);
    }
    if (is_string(s)) {
        regs->rdi += regs->rflags & EFLAGS_DF ? -(uint64_t)s->bytes : s->bytes;
        if (i->rep && --regs->rcx)
            return; // the next element faults again
    }
    emulate_retire(&s->e);
}

// A plain store to device memory that the domain may only see (a local APIC, an MSI-X table) and so has
// mapped read-only, whatever it asked for: it has no effect.
static bool store_is_dropped(struct vcpu *v, struct store *s, uint64_t address)
{
    uint64_t entry = page_entry_read(v, address), mfn = (entry & PTE_ADDRESS) >> PAGE_SHIFT;

    return entry & PTE_PRESENT && !(entry & PTE_RW) && !frame_from_mfn(MFN(mfn)) &&
           access_iomem_readable(v->domain, mfn, mfn) &&
           !access_iomem_permitted(v->domain, mfn, mfn) && emulate_fetch(&s->e) &&
           operand_find(s, address) && compute(s) && !s->reads;
}

bool emulate_table_store(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    struct store s = {
        .e = {.v = v, .regs = regs}
    };
    enum refusal r = REFUSE_ENTRY_CHANGED;

    s.table = table_get(v, address);
    if (!s.table) {
        bool is_dropped = store_is_dropped(v, &s, address);
        if (is_dropped)
            store_finish(&s);
        return is_dropped;
    }
    bool ok = emulate_fetch(&s.e) && operand_find(&s, address);
    for (unsigned n = 0; ok && r == REFUSE_ENTRY_CHANGED && n < TRIES; n++)
        r = store_try(&s);
    frame_put(s.table);
    if (!ok)
        return false;
    if (r == REFUSE_NONE)
        store_finish(&s);
    return r == REFUSE_NONE || r == REFUSE_ENTRY_CHANGED || r == REFUSE_CONTINUE;
}
