// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "dom0/xenstore_commands.h"
#include "pvguest/console.h"
#include "pvguest/time.h"

#define DEPTH_MAX 24U
#define WATCH_POLL_NS (20 * NSEC_PER_MSEC)

struct options {
    bool full;          /* -f: whole paths */
    bool perms;         /* -p */
    bool prefix;        /* read, list: "path: " (-p) */
    bool raw;           /* -R: values as they are */
    bool tidy;          /* rm -t: empty parents too */
    bool recurse;       /* chmod -r */
    unsigned int count; /* watch -n; 0: until ^C */
};

static int fail(const char *command, const char *what, const char *path)
{
    printf("xenstore-%s: %s path %s\n", command, what, path);
    return 1;
}

/* Unprintable bytes as \xx, \t, \n, \r, \\. */
static void value_print(const struct options *options, const char *value, unsigned int length)
{
    for (unsigned int i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if (options->raw || (c >= 32 && c < 127 && c != '\\')) {
            putchar(c);
        } else if (c == '\\' || c == '\n' || c == '\r' || c == '\t') {
            printf("\\%c", c == '\\' ? '\\' : c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else {
            printf("\\%02x", c);
        }
    }
}

static void perms_print(struct xs_handle *xs, const char *path)
{
    unsigned int count;
    struct xs_permissions *perms = xs_get_permissions(xs, XBT_NULL, path, &count);

    if (!perms) {
        return;
    }
    printf("   (");
    for (unsigned int i = 0; i < count; i++) {
        printf("%s%c%u", i ? "," : "", "nrwb"[perms[i].perms & 3], perms[i].id);
    }
    printf(")");
    free(perms);
}

/* `path` has room for XENSTORE_ABS_PATH_MAX characters. */
static int tree_print(struct xs_handle *xs, const struct options *options, char *path,
                      unsigned int depth)
{
    size_t length = strlen(path), base = length == 1 ? 0 : length;
    unsigned int count, size;
    char **names = xs_directory(xs, XBT_NULL, path, &count);

    if (!names) {
        return depth == 0 ? fail("ls", "could not list", path) : 1;
    }
    for (unsigned int i = 0; i < count && !console_interrupted(); i++) {
        if (base + 1 + strlen(names[i]) > XENSTORE_ABS_PATH_MAX) {
            continue;
        }
        path[base] = '/';
        strcpy(path + base + 1, names[i]);
        char *value = xs_read(xs, XBT_NULL, path, &size);
        if (options->full) {
            printf("%s = \"", path);
        } else {
            printf("%*s%s = \"", (int)depth, "", names[i]);
        }
        if (value) {
            value_print(options, value, size);
            free(value);
        }
        putchar('"');
        if (options->perms) {
            perms_print(xs, path);
        }
        putchar('\n');
        if (depth < DEPTH_MAX) {
            tree_print(xs, options, path, depth + 1);
        }
        path[length] = '\0';
    }
    free(names);
    return 0;
}

static int do_ls(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    char *path = malloc(XENSTORE_ABS_PATH_MAX + 1);
    int status = 1;

    if (path) {
        snprintf(path, XENSTORE_ABS_PATH_MAX + 1, "%s", argc > 0 ? argv[0] : "/");
        status = tree_print(xs, options, path, 0);
    }
    free(path);
    return status;
}

static int do_read(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    int status = 0;

    for (int i = 0; i < argc; i++) {
        unsigned int length;
        char *value = xs_read(xs, XBT_NULL, argv[i], &length);
        if (!value) {
            status = fail("read", "couldn't read", argv[i]);
            continue;
        }
        if (options->prefix) {
            printf("%s: ", argv[i]);
        }
        value_print(options, value, length);
        putchar('\n');
        free(value);
    }
    return status;
}

static int do_write(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    (void)options;
    if (argc % 2) {
        printf("xenstore-write: expected pairs of path and value\n");
        return 2;
    }
    for (int i = 0; i + 1 < argc; i += 2) {
        if (!xs_write(xs, XBT_NULL, argv[i], argv[i + 1], (unsigned int)strlen(argv[i + 1]))) {
            return fail("write", "could not write", argv[i]);
        }
    }
    return 0;
}

/* True if a node has neither value nor children. */
static bool node_is_bare(struct xs_handle *xs, const char *path)
{
    unsigned int length = 1, count = 1;
    char *value = xs_read(xs, XBT_NULL, path, &length);
    char **names = xs_directory(xs, XBT_NULL, path, &count);

    free(value);
    free(names);
    return value && names && length == 0 && count == 0;
}

static int do_rm(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    int status = 0;

    for (int i = 0; i < argc; i++) {
        if (!xs_rm(xs, XBT_NULL, argv[i])) {
            status = fail("rm", "could not remove", argv[i]);
            continue;
        }
        for (char *slash; options->tidy && (slash = strrchr(argv[i], '/')) && slash > argv[i];) {
            *slash = '\0';
            if (!node_is_bare(xs, argv[i]) || !xs_rm(xs, XBT_NULL, argv[i])) {
                break;
            }
        }
    }
    return status;
}

static int do_list(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    int status = 0;

    for (int i = 0; i < argc; i++) {
        unsigned int count;
        char **names = xs_directory(xs, XBT_NULL, argv[i], &count);
        if (!names) {
            status = fail("list", "could not list", argv[i]);
            continue;
        }
        for (unsigned int j = 0; j < count; j++) {
            if (options->prefix) {
                printf("%s/", argv[i]);
            }
            printf("%s\n", names[j]);
        }
        free(names);
    }
    return status;
}

static int do_exists(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    (void)options;
    for (int i = 0; i < argc; i++) {
        char *value = xs_read(xs, XBT_NULL, argv[i], NULL);
        if (!value) {
            return 1;
        }
        free(value);
    }
    return 0;
}

static int chmod_tree(struct xs_handle *xs, const struct options *options, char *path,
                      struct xs_permissions *perms, unsigned int count, unsigned int depth)
{
    size_t length = strlen(path);
    unsigned int children;
    char **names;

    if (!xs_set_permissions(xs, XBT_NULL, path, perms, count)) {
        return fail("chmod", "could not set permissions of", path);
    }
    names = options->recurse && depth < DEPTH_MAX ? xs_directory(xs, XBT_NULL, path, &children)
                                                  : NULL;
    for (unsigned int i = 0; names && i < children; i++) {
        snprintf(path + length, XENSTORE_ABS_PATH_MAX + 1 - length, "/%s", names[i]);
        chmod_tree(xs, options, path, perms, count, depth + 1);
        path[length] = '\0';
    }
    free(names);
    return 0;
}

static int do_chmod(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    struct xs_permissions perms[16];
    char *path = malloc(XENSTORE_ABS_PATH_MAX + 1);
    unsigned int count = 0;
    int status = 2;

    for (int i = 1; i < argc && count < 16; i++, count++) {
        if (!xs_strings_to_perms(&perms[count], 1, argv[i])) {
            printf("xenstore-chmod: bad permission %s\n", argv[i]);
            free(path);
            return 2;
        }
    }
    if (path && count > 0) {
        snprintf(path, XENSTORE_ABS_PATH_MAX + 1, "%s", argv[0]);
        status = chmod_tree(xs, options, path, perms, count, 0);
    }
    free(path);
    return status;
}

static int do_watch(struct xs_handle *xs, const struct options *options, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!xs_watch(xs, argv[i], argv[i])) {
            return fail("watch", "could not watch", argv[i]);
        }
    }
    for (unsigned int seen = 0; options->count == 0 || seen < options->count;) {
        char **event = xs_check_watch(xs);
        if (event) {
            printf("%s\n", event[XS_WATCH_PATH]);
            free(event);
            seen++;
        } else if (!console_sleep(WATCH_POLL_NS)) {
            break;
        }
    }
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(struct xs_handle *xs, const struct options *options, int argc, char **argv);
    int required;
    const char *usage;
} commands[] = {
    {"ls",     do_ls,     0, "[-f] [-p] [PATH]"       },
    {"read",   do_read,   1, "[-p] [-R] PATH..."      },
    {"write",  do_write,  2, "PATH VALUE..."          },
    {"rm",     do_rm,     1, "[-t] PATH..."           },
    {"list",   do_list,   1, "[-p] PATH..."           },
    {"exists", do_exists, 1, "PATH..."                },
    {"chmod",  do_chmod,  2, "[-r] PATH PERMISSION..."},
    {"watch",  do_watch,  1, "[-n COUNT] PATH..."     },
};

/* Takes options off the front; the number of words taken. */
static int options_take(struct options *options, int argc, char **argv)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
            options->count = (unsigned int)strtoul(argv[++i], NULL, 10);
            continue;
        }
        for (const char *letter = argv[i] + 1; *letter; letter++) {
            options->full |= *letter == 'f';
            options->perms |= *letter == 'p';
            options->prefix |= *letter == 'p';
            options->raw |= *letter == 'R';
            options->tidy |= *letter == 't';
            options->recurse |= *letter == 'r';
        }
    }
    return i;
}

bool xenstore_command(int argc, char **argv, int *status)
{
    struct options options = {0};

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *command = &commands[i];
        if (strncmp(argv[0], "xenstore-", 9) != 0 || strcmp(argv[0] + 9, command->name) != 0) {
            continue;
        }
        int taken = options_take(&options, argc, argv);
        struct xs_handle *xs = xs_open(0);
        if (argc - taken < command->required || !xs) {
            printf("Usage: %s %s\n", argv[0], command->usage);
            *status = 2;
        } else {
            *status = command->run(xs, &options, argc - taken, argv + taken);
        }
        xs_close(xs);
        return true;
    }
    return false;
}
