// SPDX-License-Identifier: MIT
// Expectations, page-table shorthands and probes of the conformance guest.
#include "tests/guest/guest.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "pvguest/trap.h"
#include "tests/guest/pair.h"

#define PLACE_ORDER 2U
#define PLACE_PAGES 3U // the largest structure has 5,168 bytes

struct trap_frame probe_frame;
uint64_t probe_address;
// The stack of the running probe, 0 when none runs; probe.S sets it.
uint64_t probe_stack;

unsigned int probe_enter(void (*fn)(void *arg), void *arg);
void probe_recover(void);

// Paravane tells why it refused the last call; "" on Xen or when nothing was refused.
static const char *last_refusal(void)
{
    static struct paravane_refusal record;
    static char text[240];
    struct paravane_refusals op = {.domid = DOMID_SELF, .count = 0, .next = ~0UL};

    text[0] = '\0';
    if (hypercall_paravane_op(PARAVANE_refusals, &op) != 0 || op.next == 0)
        return text;
    op.next--;
    op.count = 1;
    op.buffer = (uint64_t)&record;
    if (hypercall_paravane_op(PARAVANE_refusals, &op) == 0 && op.count == 1)
        snprintf(text, sizeof(text), "; last refusal: %s(%u) argument %u: %s", record.call_name,
                 (unsigned int)record.subop, (unsigned int)record.index, record.words);
    return text;
}

bool guest_is_on_paravane(void)
{
    struct paravane_refusals op = {.domid = DOMID_SELF};

    return hypercall_paravane_op(PARAVANE_refusals, &op) != -XEN_ENOSYS;
}

bool guest_expect(long actual, long wanted, const char *text, const char *file, unsigned int line)
{
    char reason[400];

    provoked_collect();
    bool has_reason = provoked_excuses(actual);
    if (actual == wanted && has_reason)
        return true;
    snprintf(reason, sizeof(reason), "%s is %ld (%#lx), want %ld%s", text, actual,
             (unsigned long)actual, wanted,
             !has_reason  ? " with a reason record"
             : actual < 0 ? last_refusal()
                          : "");
    if (pair_note_failure(reason, file, line))
        return false;
    printf("     %s:%u: %s\n", file, line, reason); // the case tells the first one only
    CU_assertImplementation(CU_FALSE, line, reason, file, "", CU_FALSE);
    return false;
}

bool guest_expect_true(bool good, const char *text, const char *file, unsigned int line)
{
    provoked_collect();
    if (good || pair_note_failure(text, file, line))
        return good;
    return CU_assertImplementation(CU_FALSE, line, text, file, "", CU_FALSE);
}

void *hostile_place(unsigned int which, size_t bytes)
{
    static char *edge; // the end of PLACE_PAGES pages; the next one is absent
    static void *const places[] = {NULL, HYPERVISOR_ADDRESS, NON_CANONICAL, (void *)~7UL};

    if (which < sizeof(places) / sizeof(places[0]))
        return places[which];
    if (!edge) {
        edge = (char *)page_alloc(PLACE_ORDER) + PLACE_PAGES * PAGE_SIZE;
        page_set_absent(edge);
    }
    ASSERT(bytes <= PLACE_PAGES * PAGE_SIZE); // what a call writes before it fails lies there, too
    return edge - bytes + 1;
}

uint64_t pte_make(uint64_t mfn, uint64_t flags)
{
    return (mfn << PAGE_SHIFT) | flags;
}

uint64_t pte_read(const void *address)
{
    uint64_t maddr = memory_pte_maddr(address);
    const char *table = mfn_to_virt(maddr >> PAGE_SHIFT);

    return *(const volatile uint64_t *)(table + (maddr & (PAGE_SIZE - 1)));
}

long pte_write(uint64_t entry_maddr, uint64_t value)
{
    struct mmu_update request = {.ptr = entry_maddr | MMU_NORMAL_PT_UPDATE, .val = value};

    return hypercall_mmu_update(&request, 1, NULL, DOMID_SELF);
}

long page_set_readonly(void *page)
{
    return hypercall_update_va_mapping(page, pte_make(virt_to_mfn(page), PTE_RAM),
                                       UVMF_INVLPG | UVMF_ALL);
}

long page_set_writable(void *page)
{
    return hypercall_update_va_mapping(page, pte_make(virt_to_mfn(page), PTE_RAM | PTE_RW),
                                       UVMF_INVLPG | UVMF_ALL);
}

long page_set_absent(void *page)
{
    return hypercall_update_va_mapping(page, 0, UVMF_INVLPG | UVMF_ALL);
}

uint64_t frame_of_another(void)
{
    const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;

    for (uint64_t mfn = 0x100; mfn < 0x8000; mfn++)
        if (m2p[mfn] >= memory_page_count() || memory_p2m[m2p[mfn]] != mfn)
            return mfn;
    return 0;
}

long mmuext(unsigned int command, uint64_t mfn)
{
    struct mmuext_op op = {.cmd = command};

    op.arg1.mfn = mfn;
    return hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

uint64_t *table_alloc(void)
{
    return page_alloc(0);
}

void table_free(uint64_t *table)
{
    if (!table)
        return;
    page_set_writable(table);
    memset(table, 0, PAGE_SIZE);
    page_free(table, 0);
}

char *edge_alloc(void)
{
    char *pages = page_alloc(1);

    if (!pages || page_set_absent(pages + PAGE_SIZE))
        return NULL;
    return pages + PAGE_SIZE;
}

void edge_free(char *edge)
{
    if (edge && page_set_writable(edge) == 0)
        page_free(edge - PAGE_SIZE, 1);
}

// Ends the probe that runs: execution goes on in probe_recover, on the kernel side.
static bool probe_handler(struct trap_frame *frame)
{
    if (!probe_stack)
        return false;
    probe_frame = *frame;
    probe_address = trap_fault_address();
    frame->rip = (uint64_t)probe_recover;
    frame->rsp = probe_stack;
    frame->cs = FLAT_KERNEL_CS & ~3UL;
    frame->rflags = 0x202;
    frame->ss = FLAT_KERNEL_SS;
    return true;
}

unsigned int probe_run(void (*fn)(void *arg), void *arg)
{
    static const uint8_t vectors[] = {0, 1, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19};
    trap_handler *saved[sizeof(vectors)];
    unsigned int result;

    for (size_t i = 0; i < sizeof(vectors); i++)
        saved[i] = trap_set_handler(vectors[i], probe_handler);
    result = probe_enter(fn, arg) ? PROBE_TRAP + (unsigned int)probe_frame.vector : 0;
    for (size_t i = 0; i < sizeof(vectors); i++)
        trap_set_handler(vectors[i], saved[i]);
    return result;
}

struct probe_word {
    volatile uint64_t *address;
    uint64_t value;
};

static void probe_do_read(void *arg)
{
    struct probe_word *word = arg;

    word->value = *word->address;
}

static void probe_do_write(void *arg)
{
    struct probe_word *word = arg;

    *word->address = word->value;
}

bool probe_read(const void *address, uint64_t *value)
{
    struct probe_word word = {(volatile uint64_t *)(uintptr_t)address, 0};
    bool good = probe_run(probe_do_read, &word) == 0;

    if (value)
        *value = word.value;
    return good;
}

bool probe_write(void *address, uint64_t value)
{
    struct probe_word word = {address, value};

    return probe_run(probe_do_write, &word) == 0;
}
