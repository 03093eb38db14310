// SPDX-License-Identifier: MIT
/* The table of xl's commands, their help, and what they share. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dom0/domain_past.h"
#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/time.h"

#define MISUSED 2 /* the status for a wrong command line */

static const struct archive *archive;

const struct archive *xl_files(void)
{
    return archive;
}

void xl_start(const struct archive *files)
{
    archive = files;
}

int xl_fail(const struct xl_arguments *arguments, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (arguments->json) {
        struct json json = JSON_INIT;
        json_open(&json, NULL, '{');
        if (arguments->command) {
            json_string(&json, "command", arguments->command->name);
        }
        json_string(&json, "error", text);
        json_close(&json, '}');
        return 1;
    }
    if (arguments->globals.timestamps) {
        uint64_t now = time_now();
        printf("[%5llu.%06llu] ", (unsigned long long)(now / NSEC_PER_SEC),
               (unsigned long long)(now % NSEC_PER_SEC / NSEC_PER_USEC));
    }
    printf("%s\n", text);
    return 1;
}

/* Domains that no record is for: of a destroyed one, others may still hold memory. */
static bool hypervisor_has(domid_t domid)
{
    struct xen_domctl_getdomaininfo info;

    return sysctl_list_domains(domid, &info, 1) == 1 && info.domain == domid;
}

bool xl_target(const struct xl_arguments *arguments, int operand, struct xl_target *target)
{
    const char *word = arguments->argv[operand];
    const struct domain_past *past;

    *target = (struct xl_target){.domain = domain_find_name(word)};
    if (target->domain) {
        target->domid = target->domain->domid;
        target->name = target->domain->config.name;
    } else if (strcmp(word, "Domain-0") == 0 ||
               (domain_number(word, &target->domid) && target->domid == 0)) {
        target->domid = 0;
        target->name = "Domain-0";
    } else if (domain_number(word, &target->domid) && hypervisor_has(target->domid)) {
        target->name = "(null)";
    } else {
        past = domain_past_find(word);
        xl_fail(arguments,
                past ? "%s is an invalid domain identifier (domain %u has ended: %s)"
                     : "%s is an invalid domain identifier",
                word, past ? past->domid : 0, past ? past->ending : "");
        return false;
    }
    return true;
}

/* --- the table ------------------------------------------------------------------------------- */

static int xl_help(struct xl_arguments *arguments);

#define END                                                                                        \
    {                                                                                              \
        0, NULL, NULL, NULL                                                                        \
    }

static const struct xl_option none[] = {END};
static const struct xl_option create_options[] = {
    {'c', "console",                      NULL,   "Connect to the console after the domain is created"  },
    {'p', "pause",                        NULL,   "Leave the domain paused after it is created"         },
    {'q', "quiet",                        NULL,   "Quiet"                                               },
    {'n', "dryrun",                       NULL,   "Print the configuration, create nothing"             },
    {'f', "defconfig",                    "FILE", "Use the given configuration file"                    },
    {'F', NULL,                           NULL,   "Run in foreground until the domain has ended"        },
    {'e', NULL,                           NULL,   "Do not look after it: on_poweroff and others are off"},
    {'d', NULL,                           NULL,   "Print the configuration"                             },
    {'i', "ignore-global-affinity-masks", NULL,   "No effect: there are no global masks"                },
    {'V', "vncviewer",                    NULL,   "Refused: there is no VNC here"                       },
    {'A', "vncviewer-autopass",           NULL,   "Refused: there is no VNC here"                       },
    END,
};
static const struct xl_option list_options[] = {
    {'l', "long",    NULL, "Output all VM details"                     },
    {'v', "verbose", NULL, "Print UUID, reason code and security label"},
    {'Z', "context", NULL, "Print the security label"                  },
    {'c', "cpupool", NULL, "Print the cpupool the domain is in"        },
    {'n', "numa",    NULL, "Print the NUMA node affinity"              },
    END,
};
static const struct xl_option destroy_options[] = {
    {'f', "force", NULL, "Permit domain 0 to be destroyed (the hypervisor does not)"},
    END,
};
static const struct xl_option stop_options[] = {
    {'a', "all",  NULL, "All guest domains"                                         },
    {'w', "wait", NULL, "Wait until they have stopped; twice: until they are gone"  },
    {'F', NULL,   NULL, "Fall back to ACPI: no effect on PV guests, which have none"},
    END,
};
static const struct xl_option console_options[] = {
    {'t', NULL, "TYPE",   "Type of the console: pv, the only one that PV guests have"},
    {'n', NULL, "NUMBER", "Number of the console: 0, the only one"                   },
    END,
};
static const struct xl_option uptime_options[] = {
    {'s', NULL, NULL, "Short form"},
    END,
};
static const struct xl_option dmesg_options[] = {
    {'c', "clear", NULL, "Clear the buffer after printing"},
    END,
};
static const struct xl_option info_options[] = {
    {'n', "numa", NULL, "List the memory of the host's NUMA nodes"},
    END,
};
static const struct xl_option why_options[] = {
    {'f', "follow", NULL, "Print what comes, until ^C"},
    END,
};

static const struct xl_command commands[] = {
    {"create",       xl_create,       create_options,  0, XL_OPERANDS_ANY, "[FILE] [KEY=VALUE]...",
     "Create a domain from config file",                                                                                                       true },
    {"list",         xl_list,         list_options,    0, 1,               "[DOMAIN]",              "List information about all/some domains",
     false                                                                                                                                          },
    {"destroy",      xl_destroy,      destroy_options, 1, 1,               "DOMAIN",                "Terminate a domain immediately",
     false                                                                                                                                          },
    {"shutdown",     xl_shutdown,     stop_options,    0, 1,               "DOMAIN|-a",
     "Issue a shutdown signal to a domain",                                                                                                    false},
    {"reboot",       xl_reboot,       stop_options,    0, 1,               "DOMAIN|-a",             "Issue a reboot signal to a domain",
     false                                                                                                                                          },
    {"pause",        xl_pause,        none,            1, 1,               "DOMAIN",                "Pause execution of a domain",             false},
    {"unpause",      xl_unpause,      none,            1, 1,               "DOMAIN",                "Unpause a paused domain",                 false},
    {"console",      xl_console,      console_options, 1, 1,               "DOMAIN",
     "Attach to domain's console (^] detaches)",                                                                                               false},
    {"vcpu-list",    xl_vcpu_list,    none,            0, XL_OPERANDS_ANY, "[DOMAIN]...",
     "List the VCPUs for all/some domains",                                                                                                    false},
    {"info",         xl_info,         info_options,    0, 0,               "",                      "Get information about Xen host",          false},
    {"domid",        xl_domid,        none,            1, 1,               "DOMAIN",                "Convert a domain name to domain id",      false},
    {"domname",      xl_domname,      none,            1, 1,               "DOMAIN",                "Convert a domain id to domain name",      false},
    {"uptime",       xl_uptime,       uptime_options,  0, XL_OPERANDS_ANY, "[DOMAIN]...",
     "Print uptime for all/some domains",                                                                                                      false},
    {"block-list",   xl_block_list,   none,            1, XL_OPERANDS_ANY, "DOMAIN...",
     "List virtual block devices for a domain",                                                                                                false},
    {"network-list", xl_network_list, none,            1, XL_OPERANDS_ANY, "DOMAIN...",
     "List virtual network interfaces for a domain",                                                                                           false},
    {"dmesg",        xl_dmesg,        dmesg_options,   0, 0,               "",                      "Read and/or clear dmesg buffer",          false},
    {"why",          xl_why,          why_options,     1, 1,               "DOMAIN",                "Why hypercalls of a domain were refused", false},
    {"help",         xl_help,         none,            0, 1,               "[COMMAND]",             "Print help",                              false},
};

/* What Xen's xl has besides: `xl s` is ambiguous there, so it is here. */
static const char *const elsewhere[] = {
    "config-update",
    "pci-attach",
    "pci-detach",
    "pci-list",
    "pci-assignable-add",
    "pci-assignable-remove",
    "pci-assignable-list",
    "vncviewer",
    "save",
    "migrate",
    "restore",
    "migrate-receive",
    "dump-core",
    "cd-insert",
    "cd-eject",
    "mem-max",
    "mem-set",
    "button-press",
    "vcpu-pin",
    "vcpu-set",
    "vm-list",
    "sharing",
    "sched-credit",
    "sched-credit2",
    "sched-rtds",
    "rename",
    "trigger",
    "sysrq",
    "debug-keys",
    "set-parameters",
    "top",
    "network-attach",
    "network-detach",
    "channel-list",
    "block-attach",
    "block-detach",
    "vtpm-attach",
    "vtpm-list",
    "vtpm-detach",
    "vkb-attach",
    "vkb-list",
    "vkb-detach",
    "vdispl-attach",
    "vdispl-list",
    "vdispl-detach",
    "vsnd-attach",
    "vsnd-list",
    "vsnd-detach",
    "claims",
    "cpupool-create",
    "cpupool-list",
    "cpupool-destroy",
    "cpupool-rename",
    "cpupool-cpu-add",
    "cpupool-cpu-remove",
    "cpupool-migrate",
    "cpupool-numa-split",
    "getenforce",
    "setenforce",
    "loadpolicy",
    "remus",
    "devd",
    "psr-hwinfo",
    "psr-cmt-attach",
    "psr-cmt-detach",
    "psr-cmt-show",
    "psr-cat-set",
    "psr-cat-show",
    "psr-mba-set",
    "psr-mba-show",
    "usbctrl-attach",
    "usbctrl-detach",
    "usbdev-attach",
    "usbdev-detach",
    "usb-list",
    "qemu-monitor-command",
    "dt-overlay",
    NULL,
};

static const struct xl_command *find(const char *word, struct xl_misuse *misuse)
{
    return xl_command_find(commands, sizeof(commands) / sizeof(commands[0]), elsewhere, word,
                           misuse);
}

/* --- help ------------------------------------------------------------------------------------ */

static void option_help(const struct xl_option *option)
{
    char spelling[64];

    snprintf(spelling, sizeof(spelling), "-%c%s%s%s%s%s%s", option->letter,
             option->value ? " " : "", option->value ? option->value : "",
             option->word ? ", --" : "", option->word ? option->word : "",
             option->word && option->value ? "=" : "",
             option->word && option->value ? option->value : "");
    printf("%-34s %s.\n", spelling, option->help);
}

static void command_help(const struct xl_command *command)
{
    printf("Usage: xl [-vfNtT] %s [OPTIONS] %s\n\n%s.\n\nOptions:\n\n", command->name,
           command->operands, command->summary);
    for (const struct xl_option *option = command->options; option->letter; option++) {
        option_help(option);
    }
    printf("%-34s Print the result, or the error, as JSON.\n%-34s Print this help.\n", "-j, --json",
           "-h, --help");
}

static void commands_json(void)
{
    struct json json = JSON_INIT;

    json_open(&json, NULL, '[');
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        json_open(&json, NULL, '{');
        json_string(&json, "command", commands[i].name);
        json_string(&json, "summary", commands[i].summary);
        json_close(&json, '}');
    }
    json_close(&json, ']');
}

static void commands_help(void)
{
    printf("Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        printf(" %-20s%s\n", commands[i].name, commands[i].summary);
    }
}

static int xl_help(struct xl_arguments *arguments)
{
    struct xl_misuse misuse;
    const struct xl_command *command = NULL;

    if (arguments->argc > 0) {
        command = find(arguments->argv[0], &misuse);
        if (!command) {
            return xl_fail(arguments, "%s", misuse.text);
        }
        command_help(command);
    } else if (arguments->json) {
        commands_json();
    } else {
        commands_help();
    }
    return 0;
}

/* --- running --------------------------------------------------------------------------------- */

static int misused(const struct xl_arguments *arguments, const struct xl_misuse *misuse)
{
    xl_fail(arguments, "%s", misuse->text);
    if (!arguments->json && arguments->command) {
        command_help(arguments->command);
    }
    return MISUSED;
}

/* Before the command is known, only the words can tell: an error is JSON if JSON was asked for. */
static bool json_is_asked_for(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0) {
            return true;
        }
    }
    return false;
}

int xl_main(int argc, char **argv)
{
    struct xl_arguments arguments = {.json = json_is_asked_for(argc, argv)};
    struct xl_misuse misuse;
    int taken = xl_globals_parse(&arguments.globals, argc, argv, &misuse);

    if (taken < 0) {
        return misused(&arguments, &misuse);
    }
    if (taken == argc) {
        commands_help();
        return 1;
    }
    arguments.command = find(argv[taken], &misuse);
    if (!arguments.command) {
        return misused(&arguments, &misuse);
    }
    if (!xl_options_parse(&arguments, argc - taken - 1, argv + taken + 1, &misuse)) {
        return misused(&arguments, &misuse);
    }
    if (arguments.help) {
        command_help(arguments.command);
        return 0;
    }
    if (arguments.globals.dry_run && !arguments.command->has_dry_run) {
        return xl_fail(&arguments, "command does not implement -N (dryrun) option");
    }
    return arguments.command->run(&arguments);
}
