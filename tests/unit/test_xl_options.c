// SPDX-License-Identifier: MIT
/* Command lines of xl: globals, commands by their beginnings, options in every spelling, against
 * getopt_long of the host's C library. */
#include <CUnit/CUnit.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xl_options.h"
#include "tests/report.h"

#define WORDS_MAX 12

static const struct xl_option create_options[] = {
    {'c', NULL,                 NULL,   ""  },
    {'f', "defconfig",          "FILE", ""  },
    {'n', "dryrun",             NULL,   ""  },
    {'q', "quiet",              NULL,   ""  },
    {'t', NULL,                 "TYPE", ""  },
    {'V', "vncviewer",          NULL,   ""  },
    {'A', "vncviewer-autopass", NULL,   ""  },
    {0,   NULL,                 NULL,   NULL},
};
static const struct xl_option no_options[] = {
    {0, NULL, NULL, NULL}
};
static const struct xl_command commands[] = {
    {"create",    NULL, create_options, 0, 3,               "", "", true },
    {"list",      NULL, no_options,     0, 1,               "", "", false},
    {"destroy",   NULL, no_options,     1, 1,               "", "", false},
    {"pause",     NULL, no_options,     1, 1,               "", "", false},
    {"shutdown",  NULL, no_options,     0, 1,               "", "", false},
    {"domid",     NULL, no_options,     1, 1,               "", "", false},
    {"domname",   NULL, no_options,     1, 1,               "", "", false},
    {"vcpu-list", NULL, no_options,     0, XL_OPERANDS_ANY, "", "", false},
};
static const char *const elsewhere[] = {"sharing", "pci-list", "vm-list", "vcpu-pin", NULL};
static struct xl_misuse misuse;

static const char *found(const char *word)
{
    const struct xl_command *command = xl_command_find(
        commands, sizeof(commands) / sizeof(commands[0]), elsewhere, word, &misuse);

    return command ? command->name : misuse.text;
}

static void beginnings(void)
{
    CU_ASSERT_STRING_EQUAL(found("list"), "list");
    CU_ASSERT_STRING_EQUAL(found("li"), "list");
    CU_ASSERT_STRING_EQUAL(found("cr"), "create");
    CU_ASSERT_STRING_EQUAL(found("des"), "destroy");
    CU_ASSERT_STRING_EQUAL(found("domi"), "domid");
    CU_ASSERT_STRING_EQUAL(found("dom"), "command \"dom\" is ambiguous: domid, domname");
    CU_ASSERT_STRING_EQUAL(found("p"), "command \"p\" is ambiguous: pause, pci-list");
    CU_ASSERT_STRING_EQUAL(found("sh"), "command \"sh\" is ambiguous: shutdown, sharing");
    CU_ASSERT_STRING_EQUAL(found("shu"), "shutdown");
    CU_ASSERT_STRING_EQUAL(found("dance"), "command \"dance\" not implemented");
    CU_ASSERT_STRING_EQUAL(found("sharing"), "command \"sharing\" not implemented");
    CU_ASSERT_STRING_EQUAL(found("listing"), "command \"listing\" not implemented");
    CU_ASSERT_STRING_EQUAL(found(""), "command \"\" not implemented");
    CU_ASSERT_STRING_EQUAL(found("vm"), "command \"vm\" not implemented");
}

/* The words of a line, into `argv`, which lies in `copy`. */
static int split(char *copy, const char *line, char **argv)
{
    int argc = 0;

    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return argc;
}

static void globals(void)
{
    struct xl_globals got = {0};
    char copy[100], *argv[WORDS_MAX];

    CU_ASSERT_EQUAL(xl_globals_parse(&got, split(copy, "list -l", argv), argv, &misuse), 0);
    CU_ASSERT_EQUAL(
        xl_globals_parse(&got, split(copy, "-vvv -fN -T -t list -x", argv), argv, &misuse), 4);
    CU_ASSERT_EQUAL(got.verbose, 3);
    CU_ASSERT_TRUE(got.force && got.dry_run && got.timestamps && got.progress);
    CU_ASSERT_EQUAL(xl_globals_parse(&got, split(copy, "-v", argv), argv, &misuse), 1);
    CU_ASSERT_EQUAL(xl_globals_parse(&got, split(copy, "-v -- list", argv), argv, &misuse), 2);
    CU_ASSERT_EQUAL(xl_globals_parse(&got, split(copy, "- list", argv), argv, &misuse), 0);
    CU_ASSERT_TRUE(xl_globals_parse(&got, split(copy, "-vx list", argv), argv, &misuse) < 0);
    CU_ASSERT_STRING_EQUAL(misuse.text, "unknown global option `-vx'");
    CU_ASSERT_TRUE(xl_globals_parse(&got, split(copy, "--verbose list", argv), argv, &misuse) < 0);
}

/* What a line for a command comes to: "c=1 f=FILE | operands" or the complaint. */
static const char *parsed(const struct xl_command *command, const char *line)
{
    static char text[400];
    struct xl_arguments arguments = {.command = command};
    char copy[200], *argv[WORDS_MAX], *at = text;
    int argc = split(copy, line, argv);

    if (!xl_options_parse(&arguments, argc, argv, &misuse)) {
        snprintf(text, sizeof(text), "%s%s", arguments.json ? "json: " : "", misuse.text);
        return text;
    }
    *at = '\0';
    for (const struct xl_option *option = command->options; option->letter; option++) {
        for (unsigned int i = 0; i < xl_option_count(&arguments, option->letter); i++) {
            at += sprintf(at, "%c", option->letter);
        }
        const char *value = xl_option_value(&arguments, option->letter);
        at += value ? sprintf(at, "=%s ", value) : 0;
    }
    at += sprintf(at, "%s%s|", arguments.json ? "json" : "", arguments.help ? "help" : "");
    for (int i = 0; i < arguments.argc; i++) {
        at += sprintf(at, " %s", arguments.argv[i]);
    }
    return text;
}

static void spellings(void)
{
    const struct xl_command *create = &commands[0], *list = &commands[1], *destroy = &commands[2];

    CU_ASSERT_STRING_EQUAL(parsed(create, "a.cfg -c memory=4"), "c| a.cfg memory=4");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-cn -f a.cfg"), "cf=a.cfg n|");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-cfa.cfg -q -q"), "cf=a.cfg qq|");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--defconfig=a.cfg --dryrun"), "f=a.cfg n|");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--def a.cfg --json x"), "f=a.cfg json| x");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--defconfig="), "f= |");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-f -c"), "f=-c |");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--vncviewer"), "V|");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--vncviewer-a"), "A|");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-- -c"), "| -c");
    CU_ASSERT_STRING_EQUAL(parsed(create, "- -c"), "c| -");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-jh"), "jsonhelp|");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-x -j"), "json: option `-x' not supported");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--vnc"), "option `--vnc' is ambiguous");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--=x"), "option `--' not supported");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--quiet=1"), "option `--quiet' takes no value");
    CU_ASSERT_STRING_EQUAL(parsed(create, "-cf"), "option `-f' needs a value");
    CU_ASSERT_STRING_EQUAL(parsed(create, "--defconfig"), "option `--defconfig' needs a value");
    CU_ASSERT_STRING_EQUAL(parsed(create, "a b c d"), "'xl create' takes no argument \"d\".");
    CU_ASSERT_STRING_EQUAL(parsed(list, "-v x"), "option `-v' not supported");
    CU_ASSERT_STRING_EQUAL(parsed(destroy, ""), "'xl destroy' requires at least 1 argument.");
    CU_ASSERT_STRING_EQUAL(parsed(destroy, "--help"), "help|");
    CU_ASSERT_STRING_EQUAL(parsed(&commands[7], "a b c d e f g h"), "| a b c d e f g h");
}

/* The same by getopt_long. */
static bool oracle(int argc, char **argv, unsigned int *given, const char **values)
{
    static const struct option longs[] = {
        {"defconfig",          1, NULL, 'f'},
        {"dryrun",             0, NULL, 'n'},
        {"quiet",              0, NULL, 'q'},
        {"vncviewer",          0, NULL, 'V'},
        {"vncviewer-autopass", 0, NULL, 'A'},
        {"json",               0, NULL, 'j'},
        {"help",               0, NULL, 'h'},
        {NULL,                 0, NULL, 0  },
    };
    int letter;

    optind = 0;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "cf:nqt:VAjh", longs, NULL)) != -1) {
        if (letter == '?') {
            return false;
        }
        given[letter]++;
        values[letter] = optarg;
    }
    return true;
}

static void random_line(int argc, char **argv)
{
    static char *const parts[] = {
        "-c",
        "-f",
        "-cf",
        "-fx",
        "-t",
        "-qtn",
        "-x",
        "--",
        "-",
        "--d",
        "--de",
        "--dry",
        "--defconfig",
        "--defconfig=",
        "--defconfig=y",
        "--quiet=1",
        "--json",
        "--js",
        "-j",
        "-h",
        "file",
        "a=b",
        "",
        "--vnc",
        "--vncviewer",
        "--vncviewer-",
        "--nothing",
        "--=",
        "-V",
        "-A",
        "-jfh",
    };

    argv[0] = "create";
    for (int i = 1; i < argc; i++) {
        argv[i] = parts[(size_t)rand() % (sizeof(parts) / sizeof(parts[0]))];
    }
    argv[argc] = NULL;
}

static void as_getopt_long(void)
{
    static const struct xl_command create = {"create", NULL, create_options, 0, XL_OPERANDS_ANY, "",
                                             "",       true};

    srand(16);
    for (int round = 0; round < 200000; round++) {
        char *argv[WORDS_MAX + 1], *theirs[WORDS_MAX + 1];
        int argc = 1 + rand() % 6;
        unsigned int given[256] = {0};
        const char *values[256] = {NULL};
        struct xl_arguments arguments = {.command = &create};

        random_line(argc, argv);
        memcpy(theirs, argv, sizeof(argv));
        bool good = xl_options_parse(&arguments, argc - 1, argv + 1, &misuse);
        CU_ASSERT_EQUAL_FATAL(good, oracle(argc, theirs, given, values));
        if (!good) {
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(arguments.json, given['j'] > 0);
        CU_ASSERT_EQUAL_FATAL(arguments.help, given['h'] > 0);
        for (const struct xl_option *option = create_options; option->letter; option++) {
            int letter = option->letter;
            CU_ASSERT_EQUAL_FATAL(xl_option_count(&arguments, option->letter), given[letter]);
            CU_ASSERT_EQUAL_FATAL(xl_option_value(&arguments, option->letter), values[letter]);
        }
        CU_ASSERT_EQUAL_FATAL(arguments.argc, argc - optind);
        for (int i = 0; i < arguments.argc; i++) {
            CU_ASSERT_EQUAL_FATAL(arguments.argv[i], theirs[optind + i]);
        }
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(beginnings),
    REPORT_CASE(globals),
    REPORT_CASE(spellings),
    REPORT_CASE(as_getopt_long),
};

int main(void)
{
    return report_run("xl_options", cases, sizeof(cases) / sizeof(cases[0]));
}
