// SPDX-License-Identifier: MIT
/*
 * xl, Xen's toolstack command: sub-commands, options, columns and words as Xen's own, --json on
 * each. Prints to stdout; runs in the thread that calls it.
 *
 * Commands are rows of the table in xl.c; xl_options.c reads a command line by it. Whatever fails says
 * so through xl_fail, which knows of --json.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dom0/archive.h"
#include "dom0/domain.h"
#include "dom0/xl_options.h"

#define XL_INTERRUPTED 130 /* the status after ^C */

/* `files`: where configuration files are looked for (as given, then in /guests). */
void xl_start(const struct archive *files);
/* argv[0] is the first word behind "xl"; the result is the exit status. */
int xl_main(int argc, char **argv);
/* True while the terminal shows a guest's console. */
bool xl_console_attached(void);

/* --- for the parts of xl --- */

struct xl_target {
    domid_t domid;
    struct domain *domain; /* NULL: domain 0, or one that is dead but for memory that others hold */
    const char *name;
};

/* What went wrong, as text or as a JSON object; the exit status. */
int xl_fail(const struct xl_arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The domain that an operand names, by name or number; false after a message. */
bool xl_target(const struct xl_arguments *arguments, int operand, struct xl_target *target);
const struct archive *xl_files(void);
/* Follows a guest's console until the guest ends or ^] is typed. */
int xl_console_attach(const struct xl_arguments *arguments, const char *name);
/* Waits until no domain of this name runs or is to be restarted; false after ^C. */
bool xl_wait_for_end(const char *name);
/* A configuration as JSON, as Xen's create -n and list -l have it. */
void xl_config_print(const struct xl_config *config);

int xl_create(struct xl_arguments *arguments);
int xl_destroy(struct xl_arguments *arguments);
int xl_shutdown(struct xl_arguments *arguments);
int xl_reboot(struct xl_arguments *arguments);
int xl_pause(struct xl_arguments *arguments);
int xl_unpause(struct xl_arguments *arguments);
int xl_console(struct xl_arguments *arguments);
int xl_domid(struct xl_arguments *arguments);
int xl_domname(struct xl_arguments *arguments);
int xl_list(struct xl_arguments *arguments);
int xl_info(struct xl_arguments *arguments);
int xl_uptime(struct xl_arguments *arguments);
int xl_vcpu_list(struct xl_arguments *arguments);
int xl_why(struct xl_arguments *arguments);
int xl_dmesg(struct xl_arguments *arguments);
int xl_block_list(struct xl_arguments *arguments);
int xl_network_list(struct xl_arguments *arguments);
