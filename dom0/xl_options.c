// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dom0/xl_options.h"

/* One that all commands have has no row; `common` points to what it sets. */
struct match {
    unsigned int row;
    bool *common;
    bool takes_value;
};

static void complain(struct xl_misuse *misuse, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct xl_misuse *misuse, const char *format, ...)
{
    va_list args;

    if (misuse->text[0]) {
        return; /* the first counts */
    }
    va_start(args, format);
    vsnprintf(misuse->text, sizeof(misuse->text), format, args);
    va_end(args);
}

int xl_globals_parse(struct xl_globals *globals, int argc, char **argv, struct xl_misuse *misuse)
{
    int i = 0;

    misuse->text[0] = '\0';
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            return i + 1;
        }
        for (const char *letter = argv[i] + 1; *letter; letter++) {
            switch (*letter) {
            case 'v':
                globals->verbose++;
                break;
            case 'N':
                globals->dry_run = true;
                break;
            case 'T':
                globals->timestamps = true;
                break;
            case 'f':
                globals->force = true;
                break;
            case 't':
                globals->progress = true;
                break;
            default:
                complain(misuse, "unknown global option `%s'", argv[i]);
                return -1;
            }
        }
    }
    return i;
}

/* --- commands -------------------------------------------------------------------------------- */

static void candidates_add(struct xl_misuse *candidates, const char *name)
{
    size_t used = strlen(candidates->text);

    snprintf(candidates->text + used, sizeof(candidates->text) - used, "%s%s", used ? ", " : "",
             name);
}

const struct xl_command *xl_command_find(const struct xl_command *commands, size_t count,
                                         const char *const *elsewhere, const char *word,
                                         struct xl_misuse *misuse)
{
    const struct xl_command *found = NULL;
    struct xl_misuse candidates = {""};
    size_t length = strlen(word);
    unsigned int matches = 0;

    misuse->text[0] = '\0';
    for (size_t i = 0; i < count && length > 0; i++) {
        if (strcmp(commands[i].name, word) == 0) {
            return &commands[i];
        }
        if (strncmp(commands[i].name, word, length) == 0) {
            candidates_add(&candidates, commands[i].name);
            found = &commands[i];
            matches++;
        }
    }
    for (; *elsewhere && length > 0; elsewhere++) {
        if (strcmp(*elsewhere, word) == 0) {
            matches = 0;
            break;
        }
        if (strncmp(*elsewhere, word, length) == 0) {
            candidates_add(&candidates, *elsewhere);
            matches++;
        }
    }
    if (matches == 1 && found) {
        return found;
    }
    if (matches > 1) {
        complain(misuse, "command \"%s\" is ambiguous: %.100s", word, candidates.text);
    } else {
        complain(misuse, "command \"%s\" not implemented", word);
    }
    return NULL;
}

/* --- options --------------------------------------------------------------------------------- */

static bool letter_find(struct xl_arguments *arguments, char letter, struct match *match)
{
    const struct xl_option *options = arguments->command->options;

    *match = (struct match){0};
    for (; options[match->row].letter; match->row++) {
        if (options[match->row].letter == letter) {
            match->takes_value = options[match->row].value;
            return true;
        }
    }
    match->common = letter == 'j' ? &arguments->json : letter == 'h' ? &arguments->help : NULL;
    return match->common;
}

/* The option that this word (up to `length`) is, or is the beginning of: how many there are. */
static unsigned int word_find(struct xl_arguments *arguments, const char *word, size_t length,
                              struct match *match)
{
    const struct xl_option *options = arguments->command->options;
    const struct {
        const char *word;
        bool *flag;
    } common[] = {
        {"json", &arguments->json},
        {"help", &arguments->help}
    };
    unsigned int matches = 0;

    for (unsigned int row = 0; options[row].letter; row++) {
        if (options[row].word && strncmp(options[row].word, word, length) == 0) {
            *match = (struct match){.row = row, .takes_value = options[row].value};
            if (options[row].word[length] == '\0') {
                return 1;
            }
            matches++;
        }
    }
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        if (strncmp(common[i].word, word, length) == 0) {
            *match = (struct match){.common = common[i].flag};
            if (common[i].word[length] == '\0') {
                return 1;
            }
            matches++;
        }
    }
    return matches;
}

static void option_set(struct xl_arguments *arguments, const struct match *match, const char *value)
{
    if (match->common) {
        *match->common = true;
        return;
    }
    arguments->given[match->row]++;
    arguments->values[match->row] = value;
}

/* "-vf", "-fFILE", "-f" with its value in `next`; true if `next` was taken. */
static bool letters_take(struct xl_arguments *arguments, const char *text, const char *next,
                         struct xl_misuse *misuse)
{
    struct match match;

    for (const char *letter = text + 1; *letter; letter++) {
        if (!letter_find(arguments, *letter, &match)) {
            complain(misuse, "option `-%c' not supported", *letter);
        } else if (!match.takes_value) {
            option_set(arguments, &match, NULL);
        } else if (letter[1]) {
            option_set(arguments, &match, letter + 1);
            return false;
        } else if (!next) {
            complain(misuse, "option `-%c' needs a value", *letter);
        } else {
            option_set(arguments, &match, next);
            return true;
        }
    }
    return false;
}

/* "--word", "--word=value", "--word" with its value in `next`; true if `next` was taken. */
static bool word_take(struct xl_arguments *arguments, const char *text, const char *next,
                      struct xl_misuse *misuse)
{
    const char *word = text + 2, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    struct match match;
    unsigned int matches = length > 0 ? word_find(arguments, word, length, &match) : 0;

    if (matches != 1) {
        complain(misuse, matches ? "option `--%.*s' is ambiguous" : "option `--%.*s' not supported",
                 (int)length, word);
    } else if (!match.takes_value && equals) {
        complain(misuse, "option `--%.*s' takes no value", (int)length, word);
    } else if (!match.takes_value || equals) {
        option_set(arguments, &match, equals ? equals + 1 : NULL);
    } else if (!next) {
        complain(misuse, "option `--%.*s' needs a value", (int)length, word);
    } else {
        option_set(arguments, &match, next);
        return true;
    }
    return false;
}

static void operands_check(const struct xl_arguments *arguments, struct xl_misuse *misuse)
{
    const struct xl_command *command = arguments->command;
    const unsigned int count = (unsigned int)arguments->argc;

    if (count < command->operands_min) {
        complain(misuse, "'xl %s' requires at least %u argument%s.", command->name,
                 command->operands_min, command->operands_min > 1 ? "s" : "");
    } else if (count > command->operands_max) {
        complain(misuse, "'xl %s' takes no argument \"%s\".", command->name,
                 arguments->argv[command->operands_max]);
    }
}

bool xl_options_parse(struct xl_arguments *arguments, int argc, char **argv,
                      struct xl_misuse *misuse)
{
    bool options = true;

    misuse->text[0] = '\0';
    arguments->argc = 0;
    arguments->argv = argv;
    for (int i = 0; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (!options || argv[i][0] != '-' || !argv[i][1]) {
            argv[arguments->argc++] = argv[i];
        } else if (argv[i][1] != '-') {
            i += letters_take(arguments, argv[i], next, misuse);
        } else if (argv[i][2]) {
            i += word_take(arguments, argv[i], next, misuse);
        } else {
            options = false;
        }
    }
    if (!arguments->help) {
        operands_check(arguments, misuse);
    }
    return misuse->text[0] == '\0';
}

static unsigned int row_of(const struct xl_arguments *arguments, char letter)
{
    struct match match;

    /* The last row is never given: it only ends the longest table. */
    return letter_find((struct xl_arguments *)(uintptr_t)arguments, letter, &match) && !match.common
               ? match.row
               : XL_OPTIONS_MAX - 1;
}

unsigned int xl_option_count(const struct xl_arguments *arguments, char letter)
{
    return arguments->given[row_of(arguments, letter)];
}

const char *xl_option_value(const struct xl_arguments *arguments, char letter)
{
    return arguments->values[row_of(arguments, letter)];
}
