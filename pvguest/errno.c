// SPDX-License-Identifier: MIT
/* The one place where Xen's and newlib's error numbers meet: a table made from xen/errno.h. */
#include <errno.h>
#include <stddef.h>
#include "pvguest/errno.h"

/* Numbers that newlib has under another name, or not at all. */
#ifndef EDEADLOCK
#define EDEADLOCK EDEADLK
#endif

struct error_row {
    int xen, newlib;
    const char *name;
};

static const struct error_row rows[] = {
#define XEN_ERRNO(symbol, value) {value, symbol, #symbol},
#include <xen/errno.h>
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

int errno_from_xen(int xen_error)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].xen == xen_error) {
            return rows[i].newlib;
        }
    }
    return EIO;
}

int errno_to_xen(int newlib_error)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].newlib == newlib_error) {
            return rows[i].xen;
        }
    }
    return XEN_EIO;
}

const char *errno_name(int xen_error)
{
    int number = xen_error < 0 ? -xen_error : xen_error;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].xen == number) {
            return rows[i].name;
        }
    }
    return "?";
}
