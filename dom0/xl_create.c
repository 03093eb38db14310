// SPDX-License-Identifier: MIT
/* xl create: finds and parses the configuration, creates the domain, attaches its console. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/xl.h"

/* What a parser says: printed, or collected for the JSON object. */
struct said {
    bool json;
    char text[1024];
};

static void message_print(struct xl_messages *messages, const char *line)
{
    struct said *said = messages->context;
    size_t used = strlen(said->text);

    if (said->json) {
        snprintf(said->text + used, sizeof(said->text) - used, "%s%s", used ? "\n" : "", line);
    } else {
        printf("%s\n", line);
    }
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

/* Words with '=' are lines for the configuration, another one is its file: it is taken out. */
static const char *config_name(struct xl_arguments *arguments)
{
    const char *name = xl_option_value(arguments, 'f');
    int kept = 0;

    for (int i = 0; i < arguments->argc; i++) {
        if (strchr(arguments->argv[i], '=')) {
            arguments->argv[kept++] = arguments->argv[i];
        } else if (name) {
            xl_fail(arguments, "xl create: two configuration files, %s and %s", name,
                    arguments->argv[i]);
            return NULL;
        } else {
            name = arguments->argv[i];
        }
    }
    arguments->argc = kept;
    if (!name && kept == 0) {
        xl_fail(arguments, "'xl create' requires a configuration file or KEY=VALUE.");
        return NULL;
    }
    return name ? name : "";
}

/* The file's text with further arguments (KEY=VALUE) as lines behind it; to be freed. */
static char *config_text(const struct archive_file *file, const struct xl_arguments *arguments,
                         size_t *length)
{
    size_t room = file->size + 1;
    char *text, *at;

    for (int i = 0; i < arguments->argc; i++) {
        room += strlen(arguments->argv[i]) + 1;
    }
    text = malloc(room);
    if (!text) {
        return NULL;
    }
    memcpy(text, file->data, file->size);
    at = text + file->size;
    for (int i = 0; i < arguments->argc; i++) {
        *at++ = '\n';
        memcpy(at, arguments->argv[i], strlen(arguments->argv[i]));
        at += strlen(arguments->argv[i]);
    }
    *length = (size_t)(at - text);
    return text;
}

static bool config_read(struct xl_config *config, const struct xl_arguments *arguments,
                        const char *name, struct said *said)
{
    struct xl_messages messages = {message_print, said};
    struct archive_file file = {.data = ""};
    size_t length;
    char *text;
    bool good;

    if (name[0] && !config_find(name, &file)) {
        xl_fail(arguments, "Failed to read config file: %s: No such file in the boot archive",
                name);
        return false;
    }
    text = config_text(&file, arguments, &length);
    if (!text) {
        xl_fail(arguments, "dom0 is out of memory");
        return false;
    }
    good = xl_config_parse(config, name[0] ? name : "(command line)", text, length, &messages);
    free(text);
    if (!good && arguments->json) {
        xl_fail(arguments, "%s", said->text);
    }
    return good;
}

static void created_json(const struct xl_config *config, domid_t domid, const struct said *said)
{
    struct json json = JSON_INIT;

    json_open(&json, NULL, '{');
    json_string(&json, "name", config->name);
    json_number(&json, "domid", domid);
    if (said->text[0]) {
        json_string(&json, "messages", said->text);
    }
    json_close(&json, '}');
}

static int create(const struct xl_arguments *arguments, const struct xl_config *config,
                  const struct said *said)
{
    unsigned int flags = xl_option_count(arguments, 'p') ? DOMAIN_PAUSED : 0;
    struct domain_error error;
    char number[8];
    domid_t domid;

    flags |= xl_option_count(arguments, 'e') ? DOMAIN_UNMONITORED : 0;
    if (domain_create(config, flags, &domid, &error)) {
        return arguments->json ? xl_fail(arguments, "%s: %s", config->name, error.text)
                               : xl_fail(arguments, "xl create: %s: %s", config->name, error.text);
    }
    if (arguments->json) {
        created_json(config, domid, said);
    } else if (arguments->globals.verbose) {
        printf("xl create: %s is domain %u\n", config->name, domid);
    }
    /* With a console, nothing of the guest's first words is missed: they are kept. */
    if (xl_option_count(arguments, 'c')) {
        snprintf(number, sizeof(number), "%u", domid); /* a name may look like a number */
        xl_console_attach(arguments, number);
    }
    return xl_option_count(arguments, 'F') && !xl_wait_for_end(config->name) ? XL_INTERRUPTED : 0;
}

static int parse_and_create(struct xl_arguments *arguments, struct xl_config *config,
                            const char *name)
{
    struct said said = {.json = arguments->json};
    bool dry = arguments->globals.dry_run || xl_option_count(arguments, 'n');

    if (!arguments->json && !xl_option_count(arguments, 'q')) {
        printf("Parsing config from %s\n", name[0] ? name : "the command line");
    }
    if (!config_read(config, arguments, name, &said)) {
        return 1;
    }
    if (dry || (xl_option_count(arguments, 'd') && !arguments->json)) {
        xl_config_print(config);
    }
    return dry ? 0 : create(arguments, config, &said);
}

int xl_create(struct xl_arguments *arguments)
{
    const char *name = config_name(arguments);
    struct xl_config *config;
    int status;

    if (!name) {
        return 2;
    }
    if (xl_option_count(arguments, 'V') || xl_option_count(arguments, 'A')) {
        return xl_fail(arguments, "xl create: there is no VNC here: guests have no screen");
    }
    config = calloc(1, sizeof(*config));
    if (!config) {
        return xl_fail(arguments, "dom0 is out of memory");
    }
    status = parse_and_create(arguments, config, name);
    xl_config_free(config);
    free(config);
    return status;
}
