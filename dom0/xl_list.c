// SPDX-License-Identifier: MIT
/* The commands of xl that show: list, info, uptime, vcpu-list, dmesg. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "dom0/domain_death.h"
#include "dom0/domain_store.h"
#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/hypercall.h"
#include "pvguest/net.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define LIST_CHUNK 32 /* domains asked for at a time */

/* The domains that a command shows, by number. Nothing that is done with them blocks, so that no record
 * goes meanwhile. */
struct row {
    struct xen_domctl_getdomaininfo info;
    const struct domain *domain; /* NULL: domain 0, or dead but for memory that others hold */
};

struct rows {
    struct row *row;
    size_t count;
};

static const char *name_of(const struct row *row)
{
    return row->domain ? row->domain->config.name : row->info.domain == 0 ? "Domain-0" : "(null)";
}

static bool rows_add(struct rows *rows, const struct xen_domctl_getdomaininfo *infos, int count)
{
    struct row *more = realloc(rows->row, (rows->count + (size_t)count) * sizeof(*more));

    if (!more) {
        return false;
    }
    rows->row = more;
    for (int i = 0; i < count; i++) {
        rows->row[rows->count++] = (struct row){infos[i], NULL};
    }
    return true;
}

/* All domains; both lists are in the order of numbers, so one walk finds all records. 0 or -XEN_E*. */
static int rows_read_all(struct rows *rows)
{
    struct xen_domctl_getdomaininfo infos[LIST_CHUNK];
    const struct domain *domain = domain_iterate(NULL);
    int count = LIST_CHUNK;

    for (domid_t first = 0; count == LIST_CHUNK; first = infos[LIST_CHUNK - 1].domain + 1) {
        count = sysctl_list_domains(first, infos, LIST_CHUNK);
        if (count > 0 && !rows_add(rows, infos, count)) {
            return -XEN_ENOMEM;
        }
    }
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->row[i];
        while (domain && domain->domid < row->info.domain) {
            domain = domain_iterate(domain);
        }
        row->domain = domain && domain->domid == row->info.domain ? domain : NULL;
    }
    return count < 0 ? count : 0;
}

/* Those that the operands name. False after a message. */
static bool rows_read_named(const struct xl_arguments *arguments, struct rows *rows)
{
    for (int i = 0; i < arguments->argc; i++) {
        struct xen_domctl_getdomaininfo info;
        struct xl_target target;
        if (!xl_target(arguments, i, &target)) {
            return false;
        }
        int rc = sysctl_list_domains(target.domid, &info, 1);
        if (rc != 1 || info.domain != target.domid || !rows_add(rows, &info, 1)) {
            xl_fail(arguments, "Error: Domain '%s' does not exist.", arguments->argv[i]);
            return false;
        }
        rows->row[rows->count - 1].domain = target.domain;
    }
    return true;
}

/* What a command prints: a heading, then each row; with --json (or `as_json`), a list of objects. */
struct show {
    const char *heading;
    void (*text)(const struct row *row, const struct xl_arguments *arguments);
    void (*json)(const struct row *row, struct json *json);
    bool as_json;
};

static void rows_print(const struct xl_arguments *arguments, const struct rows *rows,
                       const struct show *show)
{
    struct json json = JSON_INIT;

    if (show->as_json || arguments->json) {
        json_open(&json, NULL, '[');
        for (size_t i = 0; i < rows->count && !console_interrupted(); i++) {
            show->json(&rows->row[i], &json);
        }
        json_close(&json, ']');
        return;
    }
    printf("%s", show->heading);
    for (size_t i = 0; i < rows->count && !console_interrupted(); i++) {
        show->text(&rows->row[i], arguments);
    }
}

/* The domains that are named, or all. Nothing is printed before all are known. */
static int show_rows(const struct xl_arguments *arguments, const struct show *show)
{
    struct rows rows = {NULL, 0};
    int rc = arguments->argc > 0 ? 0 : rows_read_all(&rows);
    bool good = rc == 0 && (arguments->argc == 0 || rows_read_named(arguments, &rows));

    if (rc) {
        xl_fail(arguments, "xl %s: %s", arguments->command->name, errno_name(rc));
    }
    if (good) {
        rows_print(arguments, &rows, show);
    }
    free(rows.row);
    return good ? 0 : 1;
}

/* --- list ------------------------------------------------------------------------------------ */

static unsigned int reason_of(const struct xen_domctl_getdomaininfo *info)
{
    return (info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
}

static void state_letters(const struct xen_domctl_getdomaininfo *info, char text[7])
{
    static const char reasons[] = "-rscwS"; /* SHUTDOWN_*, in their order */
    unsigned int reason = info->flags & XEN_DOMINF_shutdown ? reason_of(info) : 0;

    text[0] = info->flags & XEN_DOMINF_running ? 'r' : '-';
    text[1] = info->flags & XEN_DOMINF_blocked ? 'b' : '-';
    text[2] = info->flags & XEN_DOMINF_paused ? 'p' : '-';
    text[3] = info->flags & XEN_DOMINF_shutdown ? 's' : '-';
    text[4] = reason < sizeof(reasons) - 1 ? reasons[reason] : '?';
    text[5] = info->flags & XEN_DOMINF_dying ? 'd' : '-';
    text[6] = '\0';
}

static void list_heading(const struct xl_arguments *arguments, char *text, size_t size)
{
    bool verbose = xl_option_count(arguments, 'v');

    snprintf(text, size, "%-40s %5s %5s %5s\t%s\t%s%s%s%s%s\n", "Name", "ID", "Mem", "VCPUs",
             "State", "Time(s)",
             verbose ? "   UUID                            Reason-Code\tSecurity Label" : "",
             xl_option_count(arguments, 'Z') && !verbose ? "   Security Label" : "",
             xl_option_count(arguments, 'c') ? "         Cpupool" : "",
             xl_option_count(arguments, 'n') ? " NODE Affinity" : "");
}

/* Behind Xen's columns stands how a domain has ended, if it has. */
static void list_row(const struct row *row, const struct xl_arguments *arguments)
{
    const struct xen_domctl_getdomaininfo *info = &row->info;
    uint64_t tenths = info->cpu_time / (NSEC_PER_SEC / 10);
    bool verbose = xl_option_count(arguments, 'v');
    char state[7], uuid[37], ending[160];

    state_letters(info, state);
    printf("%-40s %5u %5llu %5u     %s  %6llu.%llu", name_of(row), info->domain,
           (unsigned long long)(info->tot_pages + info->outstanding_pages) / 256,
           (unsigned int)info->nr_online_vcpus, state, (unsigned long long)tenths / 10,
           (unsigned long long)tenths % 10);
    if (verbose) {
        domain_store_uuid(info->handle, uuid);
        printf(info->flags & XEN_DOMINF_shutdown ? " %s %8x" : " %s        -", uuid,
               reason_of(info));
    }
    if (verbose || xl_option_count(arguments, 'Z')) {
        printf(" %16s", "-");
    }
    if (xl_option_count(arguments, 'c')) {
        printf("%16s", "Pool-0");
    }
    printf("%s", xl_option_count(arguments, 'n') ? " all" : "");
    if (row->domain && row->domain->shut_down) {
        domain_ending(row->domain, ending, sizeof(ending));
        printf("  %s", ending);
    }
    printf("\n");
}

static void list_json(const struct row *row, struct json *json)
{
    const struct xen_domctl_getdomaininfo *info = &row->info;
    char state[7], uuid[37];

    state_letters(info, state);
    domain_store_uuid(info->handle, uuid);
    json_open(json, NULL, '{');
    json_number(json, "domid", info->domain);
    json_string(json, "name", name_of(row));
    json_string(json, "uuid", uuid);
    json_number(json, "memory_kib", info->tot_pages * 4);
    json_number(json, "max_memory_kib", info->max_pages * 4);
    json_number(json, "vcpus", info->nr_online_vcpus);
    json_string(json, "state", state);
    if (info->flags & XEN_DOMINF_shutdown) {
        json_number(json, "shutdown_code", reason_of(info));
        json_string(json, "shutdown_reason", domain_reason_name(reason_of(info)));
        json_string(json, "died_of", row->domain ? row->domain->words : "");
    }
    json_number(json, "cpu_time_ns", info->cpu_time);
    json_close(json, '}');
}

static void long_devices(struct json *json, const struct xl_config *config)
{
    char mac[NET_ADDRESS_TEXT];

    json_open(json, "disks", '[');
    for (unsigned int i = 0; i < config->disk_count; i++) {
        json_open(json, NULL, '{');
        json_string(json, "pdev_path", config->disks[i].target);
        json_string(json, "vdev", config->disks[i].vdev);
        json_string(json, "format", "raw");
        json_bool(json, "readwrite", !config->disks[i].readonly);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_open(json, "nics", '[');
    for (unsigned int i = 0; i < config->vif_count; i++) {
        net_address_format(config->vifs[i].mac, mac);
        json_open(json, NULL, '{');
        json_number(json, "devid", config->vifs[i].id);
        json_string(json, "mac", mac);
        json_string(json, "bridge", config->vifs[i].bridge);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void long_build(struct json *json, const struct xl_config *config)
{
    json_string(json, "kernel", config->kernel);
    json_string(json, "ramdisk", config->ramdisk);
    json_string(json, "cmdline", config->cmdline);
}

static void long_actions(struct json *json, const struct xl_config *config)
{
    json_string(json, "on_poweroff", xl_action_name(config->on_poweroff));
    json_string(json, "on_reboot", xl_action_name(config->on_reboot));
    json_string(json, "on_crash", xl_action_name(config->on_crash));
    json_string(json, "on_watchdog", xl_action_name(config->on_watchdog));
    json_string(json, "on_soft_reset", xl_action_name(config->on_soft_reset));
}

/* The configuration, as Xen's list -l has it. */
static void list_long(const struct row *row, struct json *json)
{
    const struct xen_domctl_getdomaininfo *info = &row->info;
    const struct domain *domain = row->domain;
    char uuid[37];

    json_open(json, NULL, '{');
    json_number(json, "domid", info->domain);
    json_open(json, "config", '{');
    json_open(json, "c_info", '{');
    json_string(json, "type", "pv");
    json_string(json, "name", name_of(row));
    domain_store_uuid(info->handle, uuid);
    json_string(json, "uuid", uuid);
    json_close(json, '}');
    json_open(json, "b_info", '{');
    json_number(json, "max_vcpus", info->max_vcpu_id + 1);
    json_number(json, "max_memkb", domain ? domain->config.maxmem_kib : info->tot_pages * 4);
    json_number(json, "target_memkb", info->tot_pages * 4);
    if (domain) {
        long_build(json, &domain->config);
    }
    json_close(json, '}');
    if (domain) {
        long_devices(json, &domain->config);
        long_actions(json, &domain->config);
    }
    json_close(json, '}');
    json_close(json, '}');
}

void xl_config_print(const struct xl_config *config)
{
    struct json json = JSON_INIT;
    char uuid[37];

    json_open(&json, NULL, '{');
    json_open(&json, "c_info", '{');
    json_string(&json, "type", "pv");
    json_string(&json, "name", config->name);
    if (config->has_uuid) {
        domain_store_uuid(config->uuid, uuid);
        json_string(&json, "uuid", uuid);
    }
    json_close(&json, '}');
    json_open(&json, "b_info", '{');
    json_number(&json, "max_vcpus", config->maxvcpus);
    json_number(&json, "max_memkb", config->maxmem_kib);
    json_number(&json, "target_memkb", config->memory_kib);
    long_build(&json, config);
    json_close(&json, '}');
    long_devices(&json, config);
    long_actions(&json, config);
    json_close(&json, '}');
}

int xl_list(struct xl_arguments *arguments)
{
    bool whole = xl_option_count(arguments, 'l');
    char heading[200];

    list_heading(arguments, heading, sizeof(heading));
    return show_rows(arguments,
                     &(struct show){heading, list_row, whole ? list_long : list_json, whole});
}

/* --- uptime ---------------------------------------------------------------------------------- */

static uint64_t uptime_of(const struct row *row)
{
    return (time_now() - (row->domain ? row->domain->started : 0)) / NSEC_PER_SEC;
}

static void uptime_row(const struct row *row, const struct xl_arguments *arguments)
{
    unsigned long long up = uptime_of(row), day = time_wall() / NSEC_PER_SEC % 86400;
    char days[32] = "";

    if (up >= 86400) {
        snprintf(days, sizeof(days), "%llu day%s, ", up / 86400, up >= 2 * 86400ULL ? "s" : "");
    }
    if (xl_option_count(arguments, 's')) {
        printf(" %02llu:%02llu:%02llu up %s%2llu:%02llu, %s (%u)\n", day / 3600, day % 3600 / 60,
               day % 60, days, up % 86400 / 3600, up % 3600 / 60, name_of(row), row->info.domain);
        return;
    }
    printf("%-33s %4u %s%2llu:%02llu:%02llu\n", name_of(row), row->info.domain, days,
           up % 86400 / 3600, up % 3600 / 60, up % 60);
}

static void uptime_json(const struct row *row, struct json *json)
{
    json_open(json, NULL, '{');
    json_number(json, "domid", row->info.domain);
    json_string(json, "name", name_of(row));
    json_number(json, "uptime_s", uptime_of(row));
    json_close(json, '}');
}

int xl_uptime(struct xl_arguments *arguments)
{
    char heading[64];

    snprintf(heading, sizeof(heading), "%-33s %4s %s\n", "Name", "ID", "Uptime");
    return show_rows(arguments, &(struct show){xl_option_count(arguments, 's') ? "" : heading,
                                               uptime_row, uptime_json, false});
}

/* --- vcpu-list ------------------------------------------------------------------------------- */

static void vcpu_rows(const struct row *row, const struct xl_arguments *arguments)
{
    const struct xen_domctl_getdomaininfo *info = &row->info;

    (void)arguments;
    for (unsigned int i = 0; i <= info->max_vcpu_id && info->max_vcpu_id != ~0U; i++) {
        struct xen_domctl_getvcpuinfo vcpu;
        if (domctl_get_vcpu_info(info->domain, i, &vcpu)) {
            continue;
        }
        uint64_t tenths = vcpu.cpu_time / (NSEC_PER_SEC / 10);
        printf("%-32s %5u %5u", name_of(row), info->domain, i);
        if (vcpu.online) {
            printf(" %5u   %c%c- ", (unsigned int)vcpu.cpu, vcpu.running ? 'r' : '-',
                   vcpu.blocked ? 'b' : '-');
        } else {
            printf(" %5s   %c%cp ", "-", '-', '-');
        }
        printf(" %7llu.%llu  %s\n", (unsigned long long)tenths / 10,
               (unsigned long long)tenths % 10, "all / all");
    }
}

static void vcpu_json(const struct row *row, struct json *json)
{
    const struct xen_domctl_getdomaininfo *info = &row->info;

    for (unsigned int i = 0; i <= info->max_vcpu_id && info->max_vcpu_id != ~0U; i++) {
        struct xen_domctl_getvcpuinfo vcpu;
        if (domctl_get_vcpu_info(info->domain, i, &vcpu)) {
            continue;
        }
        json_open(json, NULL, '{');
        json_number(json, "domid", info->domain);
        json_string(json, "name", name_of(row));
        json_number(json, "vcpu", i);
        json_number(json, "cpu", vcpu.cpu);
        json_bool(json, "online", vcpu.online);
        json_bool(json, "running", vcpu.running);
        json_bool(json, "blocked", vcpu.blocked);
        json_number(json, "cpu_time_ns", vcpu.cpu_time);
        json_close(json, '}');
    }
}

int xl_vcpu_list(struct xl_arguments *arguments)
{
    char heading[100];

    snprintf(heading, sizeof(heading), "%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU",
             "CPU", "State", "Time(s)", "Affinity (Hard / Soft)");
    return show_rows(arguments, &(struct show){heading, vcpu_rows, vcpu_json, false});
}

/* --- dmesg ----------------------------------------------------------------------------------- */

int xl_dmesg(struct xl_arguments *arguments)
{
    static uint32_t cleared; /* -c: what lies before is not shown again */
    bool clear = xl_option_count(arguments, 'c');
    uint32_t index = cleared;
    struct json json = JSON_INIT;
    char buffer[1025];
    int count = 0;

    if (arguments->json) {
        json_open(&json, NULL, '[');
    }
    while (!console_interrupted() &&
           (count = sysctl_read_console(buffer, sizeof(buffer) - 1, &index)) > 0) {
        buffer[count] = '\0';
        if (arguments->json) {
            json_string(&json, NULL, buffer);
        } else {
            printf("%s", buffer);
        }
    }
    if (arguments->json) {
        json_close(&json, ']');
    }
    if (count < 0 && !arguments->json) {
        xl_fail(arguments, "xl dmesg: %s", errno_name(count));
    }
    cleared = clear ? index : cleared;
    return count < 0 ? 1 : 0;
}
