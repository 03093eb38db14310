// SPDX-License-Identifier: MIT
/*
 * Start of day: what the hypervisor handed over, and the application's entry.
 *
 * The application defines `int main(int argc, char **argv)`. It runs in the first thread, with
 * every service of pvguest up. argv[0] is the name of the program ("pvguest" unless the image
 * defines `program_name`); argv[1..] is the command line split on blanks ("double quotes" keep
 * blanks). When main returns, or exit() is called, a domU shuts down: reason poweroff for status
 * 0, crash otherwise. A dom0 whose main returns stops in the same way.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

extern struct start_info *start_info_page;
extern struct shared_info *shared_info_page;

/* True in the initial domain (SIF_INITDOMAIN): console_io, physdev_op, toolstack calls work. */
bool start_is_dom0(void);

/* This domain's number, as other domains (and grant operations) name it. */
domid_t start_domid(void);

/* The module (initrd) of this domain: 0, or -XEN_ENOENT if there is none. Read-only by custom. */
int start_module(void **base, size_t *length);

/* The command line as given, never NULL. */
const char *start_command_line(void);

/* Value of "name=value" (or "" for a bare "name") on the command line, else NULL. The text lives
 * for ever. */
const char *start_option(const char *name);

/* Ends this domain with a SHUTDOWN_* reason of xen/sched.h. */
_Noreturn void start_shutdown(unsigned int reason);
