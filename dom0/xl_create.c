// SPDX-License-Identifier: MIT
/* xl create: finds and parses the configuration, creates the domain, attaches its console. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/xl.h"

static void message_print(struct xl_messages *messages, const char *line)
{
    (void)messages;
    printf("%s\n", line);
}

/* The file as named, or in /guests, or there with ".cfg" behind it. */
static bool config_find(const char *name, struct archive_file *file)
{
    char path[160];

    if (archive_find(xl_files(), name, file)) {
        return true;
    }
    snprintf(path, sizeof(path), "/guests/%s", name);
    if (archive_find(xl_files(), path, file)) {
        return true;
    }
    snprintf(path, sizeof(path), "/guests/%s.cfg", name);
    return archive_find(xl_files(), path, file);
}

/* The file's text with further arguments (KEY=VALUE) as lines behind it; to be freed. */
static char *config_text(const struct archive_file *file, const struct xl_arguments *arguments,
                         size_t *length)
{
    size_t room = file->size + 1;
    char *text, *at;

    for (int i = 2; i < arguments->argc; i++) {
        room += strlen(arguments->argv[i]) + 1;
    }
    text = malloc(room);
    if (!text) {
        return NULL;
    }
    memcpy(text, file->data, file->size);
    at = text + file->size;
    for (int i = 2; i < arguments->argc; i++) {
        *at++ = '\n';
        memcpy(at, arguments->argv[i], strlen(arguments->argv[i]));
        at += strlen(arguments->argv[i]);
    }
    *length = (size_t)(at - text);
    return text;
}

static bool config_read(struct xl_config *config, const struct xl_arguments *arguments)
{
    struct xl_messages messages = {message_print, NULL};
    struct archive_file file;
    size_t length;
    char *text;
    bool good;

    if (!config_find(arguments->argv[1], &file)) {
        printf("Failed to read config file: %s: No such file in the boot archive\n",
               arguments->argv[1]);
        return false;
    }
    text = config_text(&file, arguments, &length);
    good = text && xl_config_parse(config, arguments->argv[1], text, length, &messages);
    free(text);
    return good;
}

static int create(struct xl_arguments *arguments, struct xl_config *config, bool console,
                  bool paused)
{
    struct domain_error error;
    char number[8];
    domid_t domid;

    /* With a console, nothing of the guest's first words is missed: they are kept. */
    int rc = domain_create(config, paused, &domid, &error);
    if (arguments->json) {
        struct json json = JSON_INIT;
        json_open(&json, NULL, '{');
        json_string(&json, "name", config->name);
        if (rc) {
            json_string(&json, "error", error.text);
        } else {
            json_number(&json, "domid", domid);
        }
        json_close(&json, '}');
    } else if (rc) {
        printf("xl create: %s: %s\n", config->name, error.text);
    }
    if (rc == 0 && console) {
        snprintf(number, sizeof(number), "%u", domid); /* a name may look like a number */
        xl_console_attach(number);
    }
    return rc ? 1 : 0;
}

int xl_create(struct xl_arguments *arguments)
{
    bool console = xl_take_option(arguments, 'c', "console");
    bool paused = xl_take_option(arguments, 'p', "pause");
    bool quiet = xl_take_option(arguments, 'q', "quiet") || arguments->json;
    struct xl_config *config = calloc(1, sizeof(*config));
    int status = 1;

    if (arguments->argc < 2) {
        printf("'xl create' requires at least 1 argument.\n");
    } else if (config) {
        if (!quiet) {
            printf("Parsing config from %s\n", arguments->argv[1]);
        }
        status = config_read(config, arguments) ? create(arguments, config, console, paused) : 1;
        xl_config_free(config);
    }
    free(config);
    return status;
}
