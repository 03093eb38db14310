// SPDX-License-Identifier: MIT
/*
 * xl, Xen's toolstack command: sub-commands, options, columns and words as Xen's own, --json on
 * each. Prints to stdout; runs in the thread that calls it.
 */
#pragma once

#include <stdbool.h>

#include "dom0/archive.h"
#include "dom0/domain.h"

/* `files`: where configuration files are looked for (as given, then in /guests). */
void xl_start(const struct archive *files);
/* argv[0] is the sub-command; the result is the exit status. */
int xl_main(int argc, char **argv);
/* True while the terminal shows a guest's console. */
bool xl_console_attached(void);

/* --- for the parts of xl --- */

struct xl_arguments {
    int argc; /* without --json; argv[0] is the sub-command */
    char **argv;
    bool json;
};

/* Takes a letter option ("-c" or "--console") out of the arguments; true if it was there. */
bool xl_take_option(struct xl_arguments *arguments, char letter, const char *word);
/* The domain that the next argument names; NULL after a message. */
struct domain *xl_domain(const struct xl_arguments *arguments);
const struct archive *xl_files(void);
/* Follows a guest's console until the guest ends or ^] is typed. */
int xl_console_attach(const char *name);

int xl_create(struct xl_arguments *arguments);
int xl_list(struct xl_arguments *arguments);
int xl_info(struct xl_arguments *arguments);
int xl_uptime(struct xl_arguments *arguments);
int xl_vcpu_list(struct xl_arguments *arguments);
int xl_why(struct xl_arguments *arguments);
int xl_dmesg(struct xl_arguments *arguments);
int xl_block_list(struct xl_arguments *arguments);
int xl_network_list(struct xl_arguments *arguments);
