// SPDX-License-Identifier: MIT
// Hypercalls about segments: set_gdt, update_descriptor, set_segment_base.
#include "hypercalls/call.h"
#include "hypervisor/descriptors.h"
#include "hypervisor/recover.h"

#define RPL_GUEST 3

long hypercall_set_gdt(struct hypercall *c)
{
    uint64_t list = c->arg[0], frames[GDT_GUEST_PAGES];
    uint32_t entries = (uint32_t)c->arg[1];
    size_t pages = (entries + DESCRIPTORS_PER_PAGE - 1) / DESCRIPTORS_PER_PAGE;

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return refuse(c, REFUSE_GDT_TOO_LONG, 1);
    if (!guest_read(frames, list, pages * sizeof(frames[0])))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return refuse(c, gdt_set(c->vcpu, frames, entries), 0);
}

// A descriptor in a page that is in use as a table, or in any page that the guest may write.
long hypercall_update_descriptor(struct hypercall *c)
{
    uint64_t address = c->arg[0], descriptor = c->arg[1];
    mfn_t mfn = maddr_to_mfn(MADDR(address));
    struct frame *f = frame_from_mfn(mfn);

    if (address % sizeof(descriptor))
        return refuse(c, REFUSE_DESCRIPTOR_UNALIGNED, 0);
    if (!descriptor_sanitise(&descriptor))
        return refuse(c, REFUSE_DESCRIPTOR_BAD, 1);
    if (!f)
        return refuse(c, REFUSE_FRAME_NOT_RAM, 0);
    uint64_t word = __atomic_load_n(&f->type, __ATOMIC_RELAXED);
    bool in_use = page_type_of(word) == PAGE_TYPE_SEGDESC;
    enum refusal r = frame_get_and_type(f, c->domain,
                                        in_use ? PAGE_TYPE_SEGDESC : PAGE_TYPE_WRITABLE, NULL);
    if (r != REFUSE_NONE)
        return refuse(c, r, 0);
    uint64_t *slot = (uint64_t *)((char *)mfn_to_virt(mfn) + (address & ~PAGE_MASK));
    __atomic_store_n(slot, descriptor, __ATOMIC_RELEASE);
    frame_put_and_type(f, NULL);
    return 0;
}

// The caller is the guest's kernel: GS is the kernel's, the inactive base is the user's.
long hypercall_set_segment_base(struct hypercall *c)
{
    uint64_t base = c->arg[1];
    uint16_t selector = (uint16_t)base;

    c->subop = (uint32_t)c->arg[0];
    if ((uint32_t)c->arg[0] != SEGBASE_GS_USER_SEL && !is_canonical(base))
        return refuse(c, REFUSE_ADDRESS_NOT_CANONICAL, 1);
    switch ((uint32_t)c->arg[0]) {
    case SEGBASE_FS:
        wrmsr(MSR_FS_BASE, base);
        return 0;
    case SEGBASE_GS_USER:
        wrmsr(MSR_KERNEL_GS_BASE, base);
        return 0;
    case SEGBASE_GS_KERNEL:
        wrmsr(MSR_GS_BASE, base);
        return 0;
    case SEGBASE_GS_USER_SEL:
        // Null selectors keep their privilege bits, others are the guest's own.
        recover_load_gs(selector > RPL_GUEST ? selector | RPL_GUEST : selector);
        return 0;
    default:
        return refuse(c, REFUSE_SEGMENT_BASE_UNKNOWN, 0);
    }
}
