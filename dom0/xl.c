// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>

#include "dom0/domctl.h"
#include "dom0/guest_console.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define DETACH 0x1d /* ^] */
#define INPUT_POLL_NS (20 * NSEC_PER_MSEC)
#define SHUTDOWN_WAIT_MS 60000U

static const struct archive *archive;

const struct archive *xl_files(void)
{
    return archive;
}

void xl_start(const struct archive *files)
{
    archive = files;
}

bool xl_take_option(struct xl_arguments *arguments, char letter, const char *word)
{
    for (int i = 1; i < arguments->argc; i++) {
        const char *text = arguments->argv[i];
        if ((text[0] == '-' && text[1] == letter && text[2] == '\0') ||
            (text[0] == '-' && text[1] == '-' && strcmp(text + 2, word) == 0)) {
            arguments->argc--;
            memmove(&arguments->argv[i], &arguments->argv[i + 1],
                    (size_t)(arguments->argc - i) * sizeof(char *));
            return true;
        }
    }
    return false;
}

struct domain *xl_domain(const struct xl_arguments *arguments)
{
    struct domain *domain;

    if (arguments->argc < 2) {
        printf("'xl %s' requires at least 1 argument.\n", arguments->argv[0]);
        return NULL;
    }
    domain = domain_find_name(arguments->argv[1]);
    if (!domain) {
        printf("%s is an invalid domain identifier\n", arguments->argv[1]);
    }
    return domain;
}

/* What a command that changes one domain prints in --json. */
static int finish(const struct xl_arguments *arguments, domid_t domid, int rc)
{
    if (arguments->json) {
        struct json json = JSON_INIT;
        json_open(&json, NULL, '{');
        json_number(&json, "domid", domid);
        json_string(&json, "result", rc ? errno_name(rc) : "OK");
        json_close(&json, '}');
    } else if (rc) {
        printf("xl %s: domain %u: %s\n", arguments->argv[0], domid, errno_name(rc));
    }
    return rc ? 1 : 0;
}

static int xl_destroy(struct xl_arguments *arguments)
{
    struct domain *domain;
    domid_t domid;

    xl_take_option(arguments, 'f', "force");
    if (arguments->argc > 1 &&
        (strcmp(arguments->argv[1], "0") == 0 || strcmp(arguments->argv[1], "Domain-0") == 0)) {
        printf("Cannot destroy privileged domain 0.\n");
        return 1;
    }
    if (arguments->argc > 1 && !domain_find_name(arguments->argv[1]) &&
        domain_restart_cancel(arguments->argv[1])) {
        return 0;
    }
    domain = xl_domain(arguments);
    if (!domain) {
        return 1;
    }
    domid = domain->domid;
    return finish(arguments, domid, domain_destroy(domain));
}

static int request(struct xl_arguments *arguments, const char *word)
{
    bool wait = xl_take_option(arguments, 'w', "wait");
    bool all = xl_take_option(arguments, 'a', "all");
    struct domain *domain;
    domid_t domid;
    int rc = 0;

    if (all) {
        for (domain = domain_iterate(NULL); domain; domain = domain_iterate(domain)) {
            rc = rc ? rc : domain_request(domain, word);
        }
        return rc ? 1 : 0;
    }
    domain = xl_domain(arguments);
    if (!domain) {
        return 1;
    }
    domid = domain->domid;
    if (!arguments->json) {
        printf("%s domain %u\n", word[0] == 'p' ? "Shutting down" : "Rebooting", domid);
    }
    rc = domain_request(domain, word);
    for (unsigned int ms = 0; wait && rc == 0 && ms < SHUTDOWN_WAIT_MS; ms += 10) {
        domain = domain_find(domid);
        if (!domain || domain->stopped) {
            break;
        }
        thread_sleep(10 * NSEC_PER_MSEC);
    }
    return finish(arguments, domid, rc);
}

static int xl_shutdown(struct xl_arguments *arguments)
{
    return request(arguments, "poweroff");
}

static int xl_reboot(struct xl_arguments *arguments)
{
    return request(arguments, "reboot");
}

static int xl_pause(struct xl_arguments *arguments)
{
    struct domain *domain = xl_domain(arguments);

    return domain ? finish(arguments, domain->domid, domctl_pause(domain->domid)) : 1;
}

static int xl_unpause(struct xl_arguments *arguments)
{
    struct domain *domain = xl_domain(arguments);

    return domain ? finish(arguments, domain->domid, domctl_unpause(domain->domid)) : 1;
}

static int xl_domid(struct xl_arguments *arguments)
{
    struct domain *domain;

    if (arguments->argc > 1 && strcmp(arguments->argv[1], "Domain-0") == 0) {
        printf("0\n");
        return 0;
    }
    domain = xl_domain(arguments);
    if (domain && arguments->json) {
        return finish(arguments, domain->domid, 0);
    }
    if (domain) {
        printf("%u\n", domain->domid);
    }
    return domain ? 0 : 1;
}

static int xl_domname(struct xl_arguments *arguments)
{
    struct domain *domain;
    const char *name;

    if (arguments->argc > 1 && strcmp(arguments->argv[1], "0") == 0) {
        name = "Domain-0";
    } else {
        domain = xl_domain(arguments);
        if (!domain) {
            return 1;
        }
        name = domain->config.name;
    }
    if (arguments->json) {
        struct json json = JSON_INIT;
        json_open(&json, NULL, '{');
        json_string(&json, "name", name);
        json_close(&json, '}');
    } else {
        printf("%s\n", name);
    }
    return 0;
}

/* --- console --------------------------------------------------------------------------------- */

static bool attached;

bool xl_console_attached(void)
{
    return attached;
}

/* Passes text both ways until the guest has ended and all is shown, or ^] is typed. */
static void console_relay(struct guest_console *console)
{
    char text[256];
    uint64_t position = 0;
    size_t length;

    for (;;) {
        bool open = guest_console_is_open(console);
        uint64_t before = position;
        while ((length = guest_console_read(console, &position, text, sizeof(text))) > 0) {
            console_write(text, length);
        }
        if (!open) {
            if (position == before) {
                return;
            }
            continue;
        }
        length = console_read(text, sizeof(text));
        char *detach = memchr(text, DETACH, length);
        guest_console_write(console, text, detach ? (size_t)(detach - text) : length);
        if (detach) {
            console_print("\n");
            return;
        }
        wait_event_timeout(guest_console_queue(console),
                           guest_console_has_text(console, position) ||
                               !guest_console_is_open(console),
                           INPUT_POLL_NS);
    }
}

int xl_console_attach(const char *name)
{
    struct guest_console *console = guest_console_find(name);

    if (!console) {
        printf("%s is an invalid domain identifier\n", name);
        return 1;
    }
    attached = true;
    console_relay(console);
    attached = false;
    return 0;
}

static int xl_console(struct xl_arguments *arguments)
{
    if (arguments->argc < 2) {
        printf("'xl console' requires at least 1 argument.\n");
        return 1;
    }
    return xl_console_attach(arguments->argv[1]);
}

/* --- the table ------------------------------------------------------------------------------- */

static int xl_help(struct xl_arguments *arguments);

static const struct command {
    const char *name;
    int (*run)(struct xl_arguments *arguments);
    const char *usage;
    const char *summary;
} commands[] = {
    {"create",       xl_create,       "[-c] [-p] [-q] FILE [KEY=VALUE]...", "Create a domain from config file"            },
    {"list",         xl_list,         "[-l] [DOMAIN]",                      "List information about all/some domains"     },
    {"destroy",      xl_destroy,      "[-f] DOMAIN",                        "Terminate a domain immediately"              },
    {"shutdown",     xl_shutdown,     "[-w] [-a] DOMAIN",                   "Issue a shutdown signal to a domain"         },
    {"reboot",       xl_reboot,       "[-w] [-a] DOMAIN",                   "Issue a reboot signal to a domain"           },
    {"pause",        xl_pause,        "DOMAIN",                             "Pause execution of a domain"                 },
    {"unpause",      xl_unpause,      "DOMAIN",                             "Unpause a paused domain"                     },
    {"console",      xl_console,      "DOMAIN",                             "Attach to domain's console (^] detaches)"    },
    {"vcpu-list",    xl_vcpu_list,    "[DOMAIN]",                           "List the VCPUs for all/some domains"         },
    {"info",         xl_info,         "",                                   "Get information about Xen host"              },
    {"domid",        xl_domid,        "DOMAIN",                             "Convert a domain name to domain id"          },
    {"domname",      xl_domname,      "DOMAIN",                             "Convert a domain id to domain name"          },
    {"uptime",       xl_uptime,       "[DOMAIN]",                           "Print uptime for all/some domains"           },
    {"block-list",   xl_block_list,   "DOMAIN",                             "List virtual block devices for a domain"     },
    {"network-list", xl_network_list, "DOMAIN",                             "List virtual network interfaces for a domain"},
    {"dmesg",        xl_dmesg,        "[-c]",                               "Read and/or clear dmesg buffer"              },
    {"why",          xl_why,          "[--follow] DOMAIN",                  "Why hypercalls of a domain were refused"     },
    {"help",         xl_help,         "[COMMAND]",                          "Print help"                                  },
};

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int xl_help(struct xl_arguments *arguments)
{
    const struct command *command = NULL;

    if (arguments->argc > 1) {
        command = command_find(arguments->argv[1]);
        if (!command) {
            printf("command \"%s\" not implemented\n", arguments->argv[1]);
            return 1;
        }
        printf("Usage: xl %s [--json] %s\n\n%s.\n", command->name, command->usage,
               command->summary);
        return 0;
    }
    printf("Usage xl <subcommand> [--json] [args]\n\nxl full list of subcommands:\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        printf(" %-20s%s\n", commands[i].name, commands[i].summary);
    }
    return 0;
}

int xl_main(int argc, char **argv)
{
    struct xl_arguments arguments = {argc, argv, false};
    const struct command *command;

    if (argc < 1) {
        static char *help[] = {"help"};
        arguments = (struct xl_arguments){1, help, false};
    }
    command = command_find(arguments.argv[0]);
    if (!command) {
        printf("command \"%s\" not implemented\n", arguments.argv[0]);
        return 1;
    }
    arguments.json = xl_take_option(&arguments, 'j', "json");
    if (xl_take_option(&arguments, 'h', "help")) {
        printf("Usage: xl %s [--json] %s\n\n%s.\n", command->name, command->usage,
               command->summary);
        return 0;
    }
    return command->run(&arguments);
}
