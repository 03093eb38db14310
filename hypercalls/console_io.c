// SPDX-License-Identifier: MIT
// console_io (xen/xen.h): dom0's console on the hypervisor's serial port.
//
// Other domains are refused (-EPERM), as by a release build of Xen.
#include "hypercalls/call.h"
#include "hypervisor/console.h"

#define CHUNK 64 // what is sent between two looks for pending work: the line is slow

// Writes in chunks; between two it stops if something is pending. The count and the pointer
// advance, so a continued call starts where it stopped.
static long console_io_write(struct hypercall *c)
{
    char chunk[CHUNK];
    uint64_t count = (uint32_t)c->arg[1], from = c->arg[2];

    while (count) {
        size_t n = MIN(count, sizeof(chunk));
        if (!guest_read(chunk, from, n))
            return refuse(c, REFUSE_BAD_POINTER, 2);
        console_write(chunk, n);
        count -= n;
        from += n;
        if (count && call_should_yield()) {
            c->arg[1] = count;
            c->arg[2] = from;
            return CALL_CONTINUE;
        }
    }
    return 0;
}

// The result is a signed number, so more than that cannot be asked for.
static long console_io_read(struct hypercall *c)
{
    char chunk[CHUNK];

    if ((int32_t)c->arg[1] < 0)
        return refuse(c, REFUSE_TOO_BIG, 1);
    size_t n = console_read(chunk, MIN((uint32_t)c->arg[1], sizeof(chunk)));

    if (n && !guest_write(c->arg[2], chunk, n))
        return refuse(c, REFUSE_BAD_POINTER, 2);
    return (long)n;
}

long hypercall_console_io(struct hypercall *c)
{
    c->subop = (uint32_t)c->arg[0];
    if (!c->domain->is_privileged)
        return refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    switch (c->subop) {
    case CONSOLEIO_write:
        return console_io_write(c);
    case CONSOLEIO_read:
        return console_io_read(c);
    default:
        return refuse(c, REFUSE_NO_SUBOP, 0);
    }
}
