// SPDX-License-Identifier: MIT
/*
 * Command lines of xl, by its tables: which command a word means, and what its words are. Options may
 * stand before and behind operands; letters may be combined ("-vf"), a value follows its letter or
 * word at once or as the next word ("-fFILE", "-f FILE", "--defconfig=FILE", "--defconfig FILE"), words
 * may be shortened as far as they are unambiguous, and "--" ends the options. That is getopt_long, on
 * which people's habits rest. Every command takes -h, --help, -j and --json.
 *
 * Pure: nothing is printed or allocated; the words stay where they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define XL_OPTIONS_MAX 12U  /* of one command, with the row that ends its table */
#define XL_OPERANDS_ANY 64U /* more words than a command line has */

struct xl_option {
    char letter;       /* 0 ends the table */
    const char *word;  /* NULL: only the letter */
    const char *value; /* what its value is called; NULL: it takes none */
    const char *help;
};

struct xl_arguments;

struct xl_command {
    const char *name;
    int (*run)(struct xl_arguments *arguments);
    const struct xl_option *options;
    unsigned int operands_min, operands_max;
    const char *operands; /* "DOMAIN" */
    const char *summary;
    bool has_dry_run; /* can do without doing: -N */
};

/* What stands before the command. */
struct xl_globals {
    unsigned int verbose; /* -v, each time */
    bool dry_run;         /* -N */
    bool timestamps;      /* -T */
    bool force;           /* -f: nothing here can be forced by it, as there is no xend */
    bool progress;        /* -t: carriage returns in progress messages, of which there are none */
};

struct xl_arguments {
    const struct xl_command *command;
    struct xl_globals globals;
    bool json, help;
    unsigned int given[XL_OPTIONS_MAX]; /* how often, by row */
    const char *values[XL_OPTIONS_MAX]; /* the last one */
    int argc;                           /* operands */
    char **argv;
};

/* Why a command line is refused. */
struct xl_misuse {
    char text[160];
};

/* The words taken off the front; negative if one of them is no global option. */
int xl_globals_parse(struct xl_globals *globals, int argc, char **argv, struct xl_misuse *misuse);

/* The command of this name, or the only one whose name begins so. `elsewhere` (ends with NULL) are
 * names that Xen's xl has and this does not: they make a beginning ambiguous too, so that what is typed
 * means the same there. NULL, and why. */
const struct xl_command *xl_command_find(const struct xl_command *commands, size_t count,
                                         const char *const *elsewhere, const char *word,
                                         struct xl_misuse *misuse);

/* Fills in all but command and globals, which must be set. argv[0] is the first word behind the command;
 * operands are moved to the front of argv. False, and the first thing that was wrong; json and help are
 * right even then. */
bool xl_options_parse(struct xl_arguments *arguments, int argc, char **argv,
                      struct xl_misuse *misuse);

/* How often an option was given, and its last value (NULL: not given). The command has the letter. */
unsigned int xl_option_count(const struct xl_arguments *arguments, char letter);
const char *xl_option_value(const struct xl_arguments *arguments, char letter);
