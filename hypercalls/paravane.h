// SPDX-License-Identifier: MIT
// Paravane's own hypercall: why calls were refused, and why a domain has crashed.
//
// Public header, for guests and tools as well: needs xen/xen.h and nothing else. The number lies
// behind all that Xen uses, so Xen answers -ENOSYS and a guest can simply ask.
#pragma once

#include <stdint.h>
#include <xen/xen.h>

#define __HYPERVISOR_paravane_op 80

// paravane_op(PARAVANE_refusals, struct paravane_refusals *)
// Copies the records of refused calls of a domain, oldest first, from call number `next` on. Refused
// calls are counted from 0. Calls that follow each other and are equal in all but time have one record,
// with their number (from `next` on) and the time of the last; only the last records are kept, the calls
// before them are counted in `lost`.
// 0, or -ESRCH no such domain; -EPERM another domain, by a domain without privilege; -EFAULT.
#define PARAVANE_refusals 0

struct paravane_refusal {
    uint64_t time;  // ns of system time
    uint64_t rip;   // of the caller
    uint64_t count; // equal calls in a row
    uint32_t call;  // __HYPERVISOR_*
    uint32_t subop; // sub-operation, 0 if the call has none
    uint32_t index; // of the argument, or of the entry of a batch, at fault
    int32_t error;  // what the caller got, -XEN_E*
    uint32_t vcpu;
    char call_name[36];
    char name[32];  // identifier of the reason, stable: for scripts
    char words[96]; // the reason for people
};

struct paravane_refusals {
    domid_t domid; // IN: DOMID_SELF or, with privilege, any
    uint16_t pad;
    uint32_t count;  // IN: room, in records. OUT: records written
    uint64_t next;   // IN: first call wanted. OUT: the one behind the last record written
    uint64_t lost;   // OUT: calls from the wanted on that are not kept any more
    uint64_t buffer; // IN: address of an array of struct paravane_refusal
};

// paravane_op(PARAVANE_exit_reason, struct paravane_exit_reason *)
// Why the hypervisor has ended a domain; empty if it has not. Errors as above.
#define PARAVANE_exit_reason 1

struct paravane_exit_reason {
    domid_t domid;
    char text[126];
};
