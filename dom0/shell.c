// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/domain_death.h"
#include "dom0/power.h"
#include "dom0/selftest_disk.h"
#include "dom0/selftest_net.h"
#include "dom0/shell.h"
#include "dom0/xenstore_commands.h"
#include "dom0/xenstore_service.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/event_late.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define PROMPT "dom0# "
#define LINE_MAX 512
#define WORDS_MAX 32
#define HISTORY_MAX 16U
#define CHUNK 256U      /* of a file, between two looks for ^C */
#define INTERRUPTED 130 /* the status that shells give for it */

static const struct archive *files;
static char history[HISTORY_MAX][LINE_MAX];
static unsigned int history_count;

/* --- line editing ---------------------------------------------------------------------------- */

struct editor {
    char line[LINE_MAX];
    size_t length;
    unsigned int back;   /* steps into the history; 0: the new line */
    unsigned int escape; /* characters of an escape sequence seen */
    char last;           /* "\r\n" is one end of line */
};

static struct editor editor;
static bool editing; /* a prompt stands on the screen */

/* Lines that came while a guest's console was shown; printed before the next prompt. */
static char held[1024];

void shell_notice(const char *line)
{
    size_t used = strlen(held);

    if (xl_console_attached()) {
        snprintf(held + used, sizeof(held) - used, "%s\n", line);
        return;
    }
    if (editing) {
        console_print("\r\033[K");
    }
    printf("%s\n", line);
    fflush(stdout);
    if (editing) {
        console_print(PROMPT);
        console_write(editor.line, editor.length);
    }
}

static void line_show(const char *text)
{
    while (editor.length > 0) {
        console_print("\b \b");
        editor.length--;
    }
    snprintf(editor.line, sizeof(editor.line), "%s", text);
    editor.length = strlen(editor.line);
    console_write(editor.line, editor.length);
}

static void history_step(bool older)
{
    unsigned int kept = history_count < HISTORY_MAX ? history_count : HISTORY_MAX;

    if (older && editor.back < kept) {
        editor.back++;
    } else if (!older && editor.back > 0) {
        editor.back--;
    } else {
        return;
    }
    line_show(editor.back ? history[(history_count - editor.back) % HISTORY_MAX] : "");
}

/* One character; true when the line is complete. */
static bool character_take(char c)
{
    char before = editor.last;

    editor.last = c;
    if (editor.escape) {
        /* ESC [ A (up) and ESC [ B (down); others are swallowed */
        if (editor.escape == 2 && (c == 'A' || c == 'B')) {
            history_step(c == 'A');
        }
        editor.escape = editor.escape == 1 && c == '[' ? 2 : 0;
    } else if (c == 27) {
        editor.escape = 1;
    } else if (c == '\r' || (c == '\n' && before != '\r')) {
        console_print("\n");
        return true;
    } else if (c == 8 || c == 127) {
        if (editor.length > 0) {
            editor.length--;
            console_print("\b \b");
        }
    } else if (c == 3 || c == 21) { /* ^C, ^U */
        line_show("");
    } else if (c >= 32 && editor.length + 1 < sizeof(editor.line)) {
        editor.line[editor.length++] = c;
        console_write(&c, 1);
    }
    return false;
}

static void line_read(void)
{
    static char pending[64];
    static size_t pending_at, pending_length;

    editor.length = editor.back = editor.escape = 0;
    console_print(held);
    held[0] = '\0';
    console_print(PROMPT);
    editing = true;
    for (;;) {
        while (pending_at < pending_length) {
            if (character_take(pending[pending_at++])) {
                editor.line[editor.length] = '\0';
                editing = false;
                return;
            }
        }
        console_wait();
        pending_length = console_read(pending, sizeof(pending));
        pending_at = 0;
    }
}

/* --- commands -------------------------------------------------------------------------------- */

static int do_xl(int argc, char **argv)
{
    return xl_main(argc - 1, argv + 1);
}

static int do_ls(int argc, char **argv)
{
    struct archive_file file;
    size_t at = 0;

    (void)argc, (void)argv;
    while (archive_next(files, &at, &file)) {
        printf("%9zu %.*s\n", file.size, (int)file.name_length, file.name);
    }
    return 0;
}

static int do_cat(int argc, char **argv)
{
    struct archive_file file;

    for (int i = 1; i < argc; i++) {
        if (!archive_find(files, argv[i], &file)) {
            printf("cat: %s: not in the boot archive\n", argv[i]);
            return 1;
        }
        for (size_t at = 0; at < file.size && !console_interrupted(); at += CHUNK) {
            size_t left = file.size - at;
            fwrite((const char *)file.data + at, 1, left < CHUNK ? left : CHUNK, stdout);
        }
    }
    return 0;
}

static int do_echo(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        printf("%s%s", i > 1 ? " " : "", argv[i]);
    }
    printf("\n");
    return 0;
}

static int do_free(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("memory of dom0: %zu KiB, free %zu KiB\n", memory_page_count() * 4,
           page_free_count() * 4);
    return 0;
}

/* Storms of events show here: many arrive, and nothing is found for them. */
static int do_events(int argc, char **argv)
{
    struct event_late_counts counts = {0};

    (void)argc, (void)argv;
    printf("domain    events  spurious   delayed\n");
    for (int after = -1; event_late_counts_next(after, &counts); after = counts.remote) {
        printf("%6u %9llu %9llu %9llu\n", counts.remote, (unsigned long long)counts.events,
               (unsigned long long)counts.spurious, (unsigned long long)counts.delayed);
    }
    printf("longest turn of the store: %llu us\n",
           (unsigned long long)(xenstore_service_longest() / NSEC_PER_USEC));
    return 0;
}

static int do_sleep(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    console_sleep(seconds > 0 ? (uint64_t)(seconds * (double)NSEC_PER_SEC) : 0);
    return 0;
}

static int line_run(char *line);

/* repeat COUNT 'commands; commands': stops after a round in which one fails. */
static int do_repeat(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    uint64_t start = time_now();
    int status = 0;

    for (unsigned long i = 0; i < count && argc > 2 && status == 0; i++) {
        char line[LINE_MAX];
        snprintf(line, sizeof(line), "%s", argv[2]);
        status = line_run(line);
    }
    printf("repeat: %lu rounds, %llu us, status %d\n", count,
           (unsigned long long)((time_now() - start) / NSEC_PER_USEC), status);
    return status;
}

static int do_time(int argc, char **argv)
{
    uint64_t start = time_now();
    char line[LINE_MAX];
    int status;

    snprintf(line, sizeof(line), "%s", argc > 1 ? argv[1] : "");
    status = line_run(line);
    printf("time: %llu us\n", (unsigned long long)((time_now() - start) / NSEC_PER_USEC));
    return status;
}

static int do_selftest(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "net") == 0) {
        return selftest_net() != 0;
    }
    if (argc < 2 || strcmp(argv[1], "disk") != 0) {
        printf("usage: selftest net|disk [NAME]\n");
        return 2;
    }
    return selftest_disk(argc > 2 ? argv[2] : "vdisk0") != 0;
}

static int do_halt(int argc, char **argv)
{
    (void)argc, (void)argv;
    domain_destroy_all();
    if (console_interrupted()) {
        return INTERRUPTED;
    }
    console_print("The machine goes off.\n");
    power_off();
}

static int do_reboot(int argc, char **argv)
{
    (void)argc, (void)argv;
    power_reboot();
}

static int do_help(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"xl",       do_xl,       "xl SUBCOMMAND: create, list, console, destroy, ... (xl help)"},
    {"ls",       do_ls,       "lists the boot archive"                                      },
    {"cat",      do_cat,      "prints files of the boot archive"                            },
    {"echo",     do_echo,     "prints its words"                                            },
    {"free",     do_free,     "memory of dom0 itself"                                       },
    {"events",   do_events,   "events that back ends had; the longest turn of the store"    },
    {"sleep",    do_sleep,    "sleep SECONDS (0.5)"                                         },
    {"repeat",   do_repeat,   "repeat COUNT \"COMMAND; COMMAND\""                           },
    {"time",     do_time,     "time \"COMMAND\""                                            },
    {"selftest", do_selftest, "selftest net|disk [NAME]: front end against back end"        },
    {"halt",     do_halt,     "stops all guests and powers the machine off"                 },
    {"reboot",   do_reboot,   "resets the machine"                                          },
    {"help",     do_help,     "this list"                                                   },
};

static int do_help(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        printf(" %-10s%s\n", commands[i].name, commands[i].summary);
    }
    printf(" %-10s%s\n", "xenstore-", "ls, read, write, rm, list, exists, chmod, watch");
    return 0;
}

/* Words at blanks outside of quotes, in place; a backslash takes the next character as it is. */
static int words_split(char *text, char **words)
{
    int count = 0;

    while (count < WORDS_MAX - 1) {
        char quote = 0, *to;
        text += strspn(text, " \t");
        if (!*text) {
            break;
        }
        to = text;
        words[count++] = to;
        for (; *text && (quote || (*text != ' ' && *text != '\t')); text++) {
            if (!quote && (*text == '"' || *text == '\'')) {
                quote = *text;
            } else if (quote && *text == quote) {
                quote = 0;
            } else {
                text += *text == '\\' && quote != '\'' && text[1];
                *to++ = *text;
            }
        }
        text += *text != '\0';
        *to = '\0';
    }
    words[count] = NULL;
    return count;
}

static int command_run(char *text)
{
    char *words[WORDS_MAX];
    int count = words_split(text, words), status;

    if (count == 0 || words[0][0] == '#') {
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, words[0]) == 0) {
            return commands[i].run(count, words);
        }
    }
    if (xenstore_command(count, words, &status)) {
        return status;
    }
    printf("%s: no such command (try help)\n", words[0]);
    return 127;
}

/* The end of a command: ';' outside of quotes, or the end of the text. */
static char *command_end(char *text)
{
    char quote = 0;

    for (; *text; text++) {
        if (*text == '\\' && quote != '\'' && text[1]) {
            text++;
        } else if (quote) {
            quote = *text == quote ? 0 : quote;
        } else if (*text == '"' || *text == '\'') {
            quote = *text;
        } else if (*text == ';') {
            break;
        }
    }
    return text;
}

/* After ^C, the rest of the line is not run. */
static int line_run(char *line)
{
    int status = 0;

    while (*line && !console_interrupted()) {
        char *end = command_end(line);
        bool more = *end == ';';
        *end = '\0';
        int rc = command_run(line);
        status = status ? status : rc;
        line = more ? end + 1 : end;
    }
    fflush(stdout);
    return console_interrupted() ? INTERRUPTED : status;
}

int shell_run(char *line)
{
    console_interrupt_catch();
    int status = line_run(line);
    if (console_interrupted()) {
        console_print("^C\n");
    }
    console_interrupt_release();
    return status;
}

void shell_main(const struct archive *archive)
{
    files = archive;
    for (;;) {
        line_read();
        if (editor.length > 0) {
            strcpy(history[history_count++ % HISTORY_MAX], editor.line);
            shell_run(editor.line);
        }
    }
}
