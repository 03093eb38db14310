// SPDX-License-Identifier: MIT
// The lock order of the hypervisor. A lock may be taken only while all locks held by the CPU have a
// lower rank; two locks of one rank are taken in the order of their domain ids (spin_lock_second), where
// nothing else is said here.
// Debug builds check it. The locks that interrupt handlers take stand behind all others: an interrupt
// may find any of those others held by the CPU, and who holds one of these never waits for those.
#pragma once

enum lock_rank {
    LOCK_DOMCTL,      // domain control: one controlling operation at a time
    LOCK_DOMAIN,      // one domain: page lists, counts, flags
    LOCK_GRANT_TABLE, // one grant table; lower domid first
    LOCK_IRQ,         // device interrupts: IO-APIC, MSI-X, pirqs
    LOCK_ACCESS,      // changes of the sets of device memory, ports and pirqs
    LOCK_DOMAIN_LIST, // changes of the table of domains
    LOCK_ALLOC,       // page and small-object allocators
    LOCK_REFUSALS,    // refused calls of one domain
    LOCK_EVENT,       // which event ports of one domain are in use
    LOCK_EVENT_PORT, // one event port, lower address first; taken from interrupts, with interrupts off
    LOCK_EVENT_FIFO,  // FIFO events of one domain: moves between vcpus, words that come; the same
    LOCK_EVENT_QUEUE, // FIFO queues of one vcpu, lower vcpu first; the same
    LOCK_SCHED,       // run queue of a CPU; the same
    LOCK_TIMER,       // timer heap of a CPU; the same
    LOCK_IRQ_LINE,    // IO-APIC and PCI configuration register pairs; with interrupts off
    LOCK_CALL,        // cpu_call() and flush requests under way
    LOCK_CONSOLE,     // serial port and log ring; with interrupts off
    LOCK_RANK_COUNT
};
