// SPDX-License-Identifier: MIT
/*
 * The privileged operations that the kernel core needs: one interface, one implementation chosen
 * at link time. priv_xen.c makes them by hypercalls. Everything in start, memory, trap, time and
 * thread that would be a privileged instruction on bare hardware is here and nowhere else; event
 * channels and grants are services of a hypervisor and have files of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

/* Takes the shared page, sets exception and event entries. Upcalls are masked before and after. */
void priv_start(struct start_info *info);

/* Interrupt (upcall) mask of the running CPU. */
unsigned long priv_upcalls_save(void);
void priv_upcalls_restore(unsigned long saved);
bool priv_upcalls_masked(void);

/* Entries of page tables, any level. */
#define PTE_PRESENT 0x001UL
#define PTE_WRITE 0x002UL
#define PTE_USER 0x004UL
#define PTE_WRITE_THROUGH 0x008UL
#define PTE_CACHE_OFF 0x010UL
#define PTE_ACCESSED 0x020UL
#define PTE_DIRTY 0x040UL
#define PTE_NO_EXECUTE (1UL << 63)
#define PTE_FRAME_MASK 0x000ffffffffff000UL

struct priv_entry {
    uint64_t maddr; /* machine address of the entry */
    uint64_t value;
};

/* Writes n entries in order; frames in them belong to `owner` (DOMID_SELF: this domain, or device
 * frames). *done: how many were written. 0 or -XEN_E* for entry number *done. */
int priv_entries_write(const struct priv_entry *entries, size_t n, domid_t owner, size_t *done);
/* Forgets cached translations of one page, or of all. */
void priv_tlb_flush_page(const void *address);
void priv_tlb_flush_all(void);
/* False if *from cannot be read. */
bool priv_read_safe(const uint64_t *from, uint64_t *value);
/* Frame number to pfn by the machine's table; ~0 if it has none. */
uint64_t priv_mfn_to_pfn(uint64_t mfn);
bool priv_has_no_execute(void);
/* Swaps n = 2^order scattered unmapped frames of ours (mfns) for contiguous ones that take over
 * the pfns; *first: the new first frame. 0 or -XEN_E* with nothing changed. */
int priv_frames_make_contiguous(uint64_t *mfns, uint64_t first_pfn, unsigned int order,
                                uint64_t *first);

/* CR2 of the last page fault. */
uint64_t priv_fault_address(void);

/* Nanoseconds: monotonic, and since 1970. */
uint64_t priv_time_now(void);
uint64_t priv_time_wall(void);
/* Asks for one timer interrupt (VIRQ_TIMER) at or after this time. */
void priv_timer_set(uint64_t deadline_ns);

/* Unmasks upcalls and sleeps until one is pending, in one step. */
void priv_block(void);
void priv_yield(void);
_Noreturn void priv_shutdown(unsigned int reason);
