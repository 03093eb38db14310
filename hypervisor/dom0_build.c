// SPDX-License-Identifier: MIT
// The dom0 builder: memory, image, first page tables, start_info, first vcpu.
//
// The bootstrap region starts at the image's VIRT_BASE, which is pseudo-physical page 0, and holds
// one after another, each page-aligned (xen/xen.h, "Start-of-day memory layout"):
//
//     kernel | initrd | p2m list | start_info | page tables | stack | >= 512 KiB, up to a 4 MiB line
//
// A kernel with an INIT_P2M note gets the list mapped there instead, one with MOD_START_PFN gets the
// initrd as a page number, unmapped; both then lie behind the region in pseudo-physical memory.
// The tables are written as plain memory; pinning the root afterwards validates them like any
// guest's, so the builder needs no rules of its own about types and references.
#include "hypervisor/boot.h"
#include "hypervisor/domain.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/elf.h"
#include "hypervisor/gzip.h"
#include "hypervisor/options.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/traps.h"
#include <xen/features.h>

#define BOOTSTRAP_ALIGN (4ull << 20)
#define BOOTSTRAP_PADDING (512ull << 10)
#define BUILD_RESERVE                                                                              \
    (1024) // frames that the builder and the first domains' structures take, and some
#define FEATURES_OFFERED                                                                           \
    (1u << XENFEAT_writable_page_tables | 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_dom0)
#define LEVELS 4
#define GUEST_TABLE_FLAGS (PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED)

struct builder {
    struct domain *d;
    struct elf_image image;
    const void *kernel; // plain
    size_t kernel_bytes;
    void *unpacked; // it is here if it came packed, else NULL
    unsigned unpacked_order;
    const struct boot_module *initrd; // NULL: none
    uint64_t nr_pages;
    uint64_t *p2m; // scratch copy while building
    unsigned p2m_order;

    // Linear addresses in the bootstrap region.
    uint64_t start, initrd_at, p2m_at, start_info_at, tables_at, stack_at, end;
    uint64_t table_pages; // mapped ones, in the region
    // Pseudo-physical pages behind the region.
    uint64_t next_pfn;
    uint64_t p2m_first_pfn, p2m_frames; // with INIT_P2M: tables and list

    uint64_t table_next_pfn, table_last_pfn; // where the next page table comes from
    uint64_t l4_pfn;
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static uint64_t pages_of(uint64_t bytes)
{
    return round_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
}

static void *pfn_page(const struct builder *b, uint64_t pfn)
{
    BUG_ON(pfn >= b->nr_pages);
    return mfn_to_virt(MFN(b->p2m[pfn]));
}

static uint64_t region_pfn(const struct builder *b, uint64_t address)
{
    return (address - b->start) >> PAGE_SHIFT;
}

// Copy into pseudo-physical memory; `from` NULL stands for zeroes (the builder's pages are clear already).
static void copy_to_guest(const struct builder *b, uint64_t pfn, uint64_t offset, const void *from,
                          uint64_t bytes)
{
    const uint8_t *p = from;

    pfn += offset >> PAGE_SHIFT;
    offset &= PAGE_SIZE - 1;
    while (bytes) {
        uint64_t n = MIN(bytes, PAGE_SIZE - offset);
        memcpy((uint8_t *)pfn_page(b, pfn) + offset, p, n);
        p += n;
        bytes -= n;
        offset = 0;
        pfn++;
    }
}

// Number of page tables that a mapping of [start, end) needs below the root.
static uint64_t tables_for(uint64_t start, uint64_t end)
{
    uint64_t n = 0;

    for (unsigned level = 1; level < LEVELS; level++) {
        unsigned shift = PAGE_SHIFT + 9 * level;
        n += ((end - 1) >> shift) - (start >> shift) + 1;
    }
    return n;
}

// --- memory

static void choose_size(struct builder *b)
{
    uint64_t free = frames_free_count(), limit;

    b->nr_pages = options_dom0_pages(free, &limit);
    // The list while building needs a power of two of pages, hence twice.
    uint64_t reserve = BUILD_RESERVE + 2 * pages_of(b->nr_pages * sizeof(uint64_t));
    b->nr_pages = MIN(b->nr_pages, free > reserve ? free - reserve : free / 2);
    // Xen's reservations are 32-bit numbers.
    b->d->max_pages = MAX(MIN(limit, UINT32_MAX), b->nr_pages);
}

// Most of dom0's memory is not cleared: dom0 is trusted, nobody else has run yet, and touching all of
// it takes longer than the rest of the boot. What the builder fills is (lay_out tells how far).
static struct frame *allocate_block(struct domain *d, unsigned order)
{
    if (domain_reserve(d, 1ull << order) != REFUSE_NONE)
        return NULL;
    struct frame *f = page_alloc_uncleared(order);
    if (f)
        domain_assign_frames(d, f, order);
    else
        domain_unreserve(d, 1ull << order);
    return f;
}

static void allocate_memory(struct builder *b)
{
    unsigned order = 9;
    uint64_t pfn = 0;

    while ((PAGE_SIZE << b->p2m_order) < b->nr_pages * sizeof(uint64_t))
        b->p2m_order++;
    b->p2m = page_alloc(b->p2m_order);
    if (!b->p2m)
        panic("dom0: no memory for a list of %lu pages", b->nr_pages);
    while (pfn < b->nr_pages) {
        struct frame *f = NULL;
        if ((1ull << order) <= b->nr_pages - pfn)
            f = allocate_block(b->d, order);
        if (!f) {
            if (order-- == 0)
                panic("dom0: out of memory after %lu of %lu pages", pfn, b->nr_pages);
            continue;
        }
        for (uint64_t i = 0; i < 1ull << order; i++, pfn++) {
            mfn_t mfn = MFN(frame_to_mfn(f).v + i);
            b->p2m[pfn] = mfn.v;
            m2p_set(mfn, pfn);
            if (pfn < b->next_pfn)
                memset(mfn_to_virt(mfn), 0, PAGE_SIZE);
        }
    }
}

// --- layout

static uint64_t place(uint64_t *cursor, uint64_t bytes)
{
    uint64_t at = *cursor;

    *cursor += round_up(bytes, PAGE_SIZE);
    return at;
}

static void lay_out(struct builder *b)
{
    bool own_p2m = b->image.init_p2m != ELF_NO_ADDRESS;
    uint64_t cursor = round_up(b->image.end, PAGE_SIZE), p2m_bytes = b->nr_pages * sizeof(uint64_t);

    b->start = b->image.virt_base & PAGE_MASK;
    if (b->initrd && !b->image.mod_start_pfn)
        b->initrd_at = place(&cursor, b->initrd->bytes);
    b->p2m_at = own_p2m ? b->image.init_p2m : place(&cursor, p2m_bytes);
    b->start_info_at = place(&cursor, sizeof(struct start_info));
    b->tables_at = cursor;
    // The tables lie in what they map: grow until they fit.
    for (b->table_pages = LEVELS;; b->table_pages++) {
        b->stack_at = b->tables_at + b->table_pages * PAGE_SIZE;
        b->end = round_up(b->stack_at + PAGE_SIZE + BOOTSTRAP_PADDING, BOOTSTRAP_ALIGN);
        if (tables_for(b->start, b->end) + 1 <= b->table_pages)
            break;
    }
    if (own_p2m && !elf_p2m_fits(&b->image, p2m_bytes, b->start, b->end))
        panic("dom0: its list of pages cannot lie at %#lx (INIT_P2M)", b->p2m_at);
    b->next_pfn = region_pfn(b, b->end);
    if (b->initrd && b->image.mod_start_pfn) {
        b->initrd_at = b->next_pfn;
        b->next_pfn += pages_of(b->initrd->bytes);
    }
    if (own_p2m) {
        b->p2m_first_pfn = b->next_pfn;
        b->p2m_frames = pages_of(p2m_bytes) +
                        tables_for(b->p2m_at, b->p2m_at + round_up(p2m_bytes, PAGE_SIZE));
        b->next_pfn += b->p2m_frames;
    } else {
        b->p2m_first_pfn = region_pfn(b, b->p2m_at);
        b->p2m_frames = pages_of(p2m_bytes);
    }
    if (b->end < b->start || (b->start < HV_VIRT_END && b->end > HV_VIRT_START))
        panic("dom0: the bootstrap region overlaps the hypervisor's address range");
    if (b->next_pfn > b->nr_pages)
        panic("dom0: kernel and initrd need %lu pages, dom0_mem= gives %lu", b->next_pfn,
              b->nr_pages);
}

// --- page tables

static uint64_t *table_entry(struct builder *b, uint64_t address)
{
    uint64_t *table = pfn_page(b, b->l4_pfn);

    for (unsigned level = LEVELS; level > 1; level--) {
        uint64_t *entry = &table[(address >> (PAGE_SHIFT + 9 * (level - 1))) % PTES];
        if (!*entry) {
            BUG_ON(b->table_next_pfn >= b->table_last_pfn);
            *entry = b->p2m[b->table_next_pfn++] << PAGE_SHIFT | GUEST_TABLE_FLAGS;
        }
        table = mfn_to_virt(MFN((*entry & PTE_ADDRESS) >> PAGE_SHIFT));
    }
    return &table[(address >> PAGE_SHIFT) % PTES];
}

static void map_pages(struct builder *b, uint64_t address, uint64_t pfn, uint64_t count)
{
    uint64_t tables_first = region_pfn(b, b->tables_at);

    for (uint64_t i = 0; i < count; i++, pfn++, address += PAGE_SIZE) {
        bool is_table = pfn - tables_first < b->table_pages;
        uint64_t flags = GUEST_TABLE_FLAGS | PTE_DIRTY;
        if (is_table)
            flags &= ~(uint64_t)PTE_RW;
        *table_entry(b, address) = b->p2m[pfn] << PAGE_SHIFT | flags;
    }
}

static void write_tables(struct builder *b)
{
    b->l4_pfn = region_pfn(b, b->tables_at);
    b->table_next_pfn = b->l4_pfn + 1;
    b->table_last_pfn = b->l4_pfn + b->table_pages;
    map_pages(b, b->start, 0, region_pfn(b, b->end));
    if (b->image.init_p2m == ELF_NO_ADDRESS)
        return;
    uint64_t list_pages = pages_of(b->nr_pages * sizeof(uint64_t));
    b->table_next_pfn = b->p2m_first_pfn + list_pages;
    b->table_last_pfn = b->p2m_first_pfn + b->p2m_frames;
    map_pages(b, b->p2m_at, b->p2m_first_pfn, list_pages);
}

// --- contents

static void load_image(struct builder *b)
{
    struct elf_piece piece;

    for (unsigned i = 0; elf_piece(&b->image, i, &piece); i++)
        copy_to_guest(b, 0, piece.address - b->start, piece.source, piece.file_bytes);
    if (b->image.hypercall_page != ELF_NO_ADDRESS)
        hypercall_page_init(pfn_page(b, region_pfn(b, b->image.hypercall_page)));
    if (b->initrd) {
        uint64_t pfn = b->image.mod_start_pfn ? b->initrd_at : region_pfn(b, b->initrd_at);
        copy_to_guest(b, pfn, 0, maddr_to_virt(MADDR(b->initrd->start)), b->initrd->bytes);
    }
}

static void write_start_info(struct builder *b)
{
    struct start_info *si = pfn_page(b, region_pfn(b, b->start_info_at));

    strlcpy(si->magic, "xen-3.0-x86_64", sizeof(si->magic));
    si->nr_pages = b->nr_pages;
    si->shared_info = mfn_to_maddr(b->d->shared_info_mfn).v;
    si->flags = SIF_INITDOMAIN | SIF_PRIVILEGED;
    si->console.dom0.info_off = sizeof(*si);
    si->pt_base = b->tables_at;
    si->nr_pt_frames = b->table_pages;
    si->mfn_list = b->p2m_at;
    si->first_p2m_pfn = b->p2m_first_pfn;
    si->nr_p2m_frames = b->p2m_frames;
    if (b->initrd) {
        si->mod_start = b->initrd_at;
        si->mod_len = b->initrd->bytes;
        si->flags |= b->image.mod_start_pfn ? SIF_MOD_START_PFN : 0;
    }
    snprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s%s%s", boot_info.module[0].cmdline,
             *boot_options.dom0_words ? " " : "", boot_options.dom0_words);
}

static void start_vcpu(struct builder *b)
{
    static struct vcpu_guest_context context;
    struct type_work work = {.budget = INT64_MAX};
    uint64_t stack_top = b->stack_at + PAGE_SIZE;

    context = (struct vcpu_guest_context){
        .flags = VGCF_in_kernel | VGCF_online,
        .user_regs =
            {
                        .rip = b->image.entry,
                        .rsp = stack_top,
                        .rsi = b->start_info_at,
                        .rflags = EFLAGS_IF,
                        .cs = FLAT_KERNEL_CS,
                        .ss = FLAT_KERNEL_SS,
                        .ds = FLAT_KERNEL_DS,
                        .es = FLAT_KERNEL_DS,
                        },
        .kernel_ss = FLAT_KERNEL_SS,
        .kernel_sp = stack_top,
        .ctrlreg[3] = xen_pfn_to_cr3(b->p2m[b->l4_pfn]),
    };
    // Validates every table of the bootstrap region.
    enum refusal r = page_type_pin(frame_from_mfn(MFN(b->p2m[b->l4_pfn])), b->d, LEVELS, &work);
    if (r == REFUSE_NONE)
        r = vcpu_initialise(b->d->vcpu[0], &context);
    if (r != REFUSE_NONE)
        panic("dom0: its first page tables are refused: %s", refusal_words(r));
    b->d->vcpu[0]->is_online = true;
}

static void create_domain(struct builder *b)
{
    const struct xen_domctl_createdomain config = {
        .max_vcpus = options_dom0_vcpus(cpu_count(), DOMAIN_MAX_VCPUS),
        .max_evtchn_port = -1u,
        .max_grant_frames = 64,
        .max_maptrack_frames = 1024,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    enum refusal r = domain_create(0, &config, true, &b->d);

    if (r == REFUSE_NONE)
        r = domain_alloc_vcpus(b->d, config.max_vcpus);
    if (r != REFUSE_NONE)
        panic("dom0 cannot be created: %s", refusal_words(r));
    domain_dom0 = b->d;
    access_grant_hardware(b->d);
}

// --- modules

static void unpack_kernel(struct builder *b, const struct kernel_packing *packing)
{
    uint64_t bytes = packing->contents_size(b->kernel, b->kernel_bytes);

    while (PAGE_SIZE << b->unpacked_order < bytes)
        b->unpacked_order++;
    if (b->unpacked_order <= PAGE_ORDER_MAX)
        b->unpacked = page_alloc(b->unpacked_order);
    if (!b->unpacked)
        panic("dom0: no memory for a kernel of %lu KiB, unpacked", bytes >> 10);
    const char *wrong = packing->unpack(b->unpacked, bytes, b->kernel, b->kernel_bytes);
    if (wrong)
        panic("dom0: %s", wrong);
    b->kernel = b->unpacked;
    b->kernel_bytes = bytes;
}

// The kernel comes first; a microcode update is whichever ucode= names; the first of the rest is the initrd.
static void choose_modules(struct builder *b)
{
    int ucode = boot_options.ucode_module, count = (int)boot_info.module_count;

    if (!count)
        panic("no boot module: GRUB has to load a dom0 kernel with module2");
    const struct boot_module *kernel = &boot_info.module[0];
    b->kernel = maddr_to_virt(MADDR(kernel->start));
    b->kernel_bytes = kernel->bytes;
    for_each_part(kernel_packing, packing) if ((*packing)->is_packed(b->kernel, b->kernel_bytes))
        unpack_kernel(b, *packing);
    ucode += ucode < 0 ? count : 0;
    if (ucode > 0 && ucode < count)
        log_info("module %d is a microcode update, which is left to the firmware", ucode);
    for (int i = 1; i < count; i++) {
        if (i == ucode)
            continue;
        if (b->initrd)
            log_warn("module %d is not used", i);
        else
            b->initrd = &boot_info.module[i];
    }
}

void dom0_build(void)
{
    static struct builder b;

    choose_modules(&b);
    const char *wrong = elf_parse(&b.image, b.kernel, b.kernel_bytes);
    if (wrong)
        panic("dom0: %s", wrong);
    if (b.image.features_required & ~FEATURES_OFFERED)
        panic("dom0: the kernel requires features %#x that are not offered",
              b.image.features_required & ~FEATURES_OFFERED);
    create_domain(&b);
    choose_size(&b);
    lay_out(&b);
    allocate_memory(&b);
    load_image(&b);
    copy_to_guest(&b,
                  b.image.init_p2m == ELF_NO_ADDRESS ? region_pfn(&b, b.p2m_at) : b.p2m_first_pfn,
                  0, b.p2m, b.nr_pages * sizeof(uint64_t));
    write_tables(&b);
    write_start_info(&b);
    start_vcpu(&b);
    page_free(b.p2m, b.p2m_order);
    page_free(b.unpacked, b.unpacked_order);
    for (unsigned i = 0; i < boot_info.module_count; i++)
        boot_module_free(i);
    log_info("dom0: %lu MiB, %u vcpus, kernel at %#lx, entry %#lx", b.nr_pages >> 8, b.d->max_vcpus,
             b.image.start, b.image.entry);
}
