// SPDX-License-Identifier: MIT
/* The commands of xl that show: list, info, uptime, vcpu-list, dmesg, block-list, network-list. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "dom0/domain_store.h"
#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/errno.h"
#include "pvguest/hypercall.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define LIST_CHUNK 32 /* domains asked for at a time */

static const char *name_of(domid_t domid)
{
    const struct domain *domain = domain_find(domid);

    return domain ? domain->config.name : domid == 0 ? "Domain-0" : "(null)";
}

static bool is_wanted(const struct xen_domctl_getdomaininfo *info, const char *wanted)
{
    char number[8];

    snprintf(number, sizeof(number), "%u", info->domain);
    return !wanted || strcmp(wanted, number) == 0 || strcmp(wanted, name_of(info->domain)) == 0;
}

/* Calls fn (NULL: nothing) for each domain, or for the one that is named; false (after a message)
 * if there is no such domain. */
static bool for_each(const struct xl_arguments *arguments,
                     void (*fn)(const struct xen_domctl_getdomaininfo *info, void *context),
                     void *context)
{
    struct xen_domctl_getdomaininfo infos[LIST_CHUNK];
    const char *wanted = arguments->argc > 1 ? arguments->argv[1] : NULL;
    bool found = !wanted;
    int count = LIST_CHUNK;

    for (domid_t first = 0; count == LIST_CHUNK; first = infos[LIST_CHUNK - 1].domain + 1) {
        count = sysctl_list_domains(first, infos, LIST_CHUNK);
        for (int i = 0; i < count; i++) {
            if (is_wanted(&infos[i], wanted)) {
                found = true;
                if (fn) {
                    fn(&infos[i], context);
                }
            }
        }
    }
    if (count < 0) {
        printf("xl %s: %s\n", arguments->argv[0], errno_name(count));
    } else if (!found) {
        printf("%s is an invalid domain identifier\n", wanted);
    }
    return count >= 0 && found;
}

/* Before anything is printed: false, after a message, if the domain that is named does not exist. */
static bool check_named(const struct xl_arguments *arguments)
{
    return arguments->argc < 2 || for_each(arguments, NULL, NULL);
}

/* --- list ------------------------------------------------------------------------------------ */

static void state_letters(const struct xen_domctl_getdomaininfo *info, char text[7])
{
    unsigned int reason = (info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
    bool shutdown = info->flags & XEN_DOMINF_shutdown;

    strcpy(text, "------");
    text[0] = info->flags & XEN_DOMINF_running ? 'r' : '-';
    text[1] = info->flags & XEN_DOMINF_blocked ? 'b' : '-';
    text[2] = info->flags & XEN_DOMINF_paused ? 'p' : '-';
    text[3] = shutdown ? 's' : '-';
    text[4] = shutdown && reason == SHUTDOWN_crash ? 'c' : '-';
    text[5] = info->flags & XEN_DOMINF_dying ? 'd' : '-';
}

static void list_row(const struct xen_domctl_getdomaininfo *info, void *context)
{
    uint64_t tenths = info->cpu_time / (NSEC_PER_SEC / 10);
    char state[7];

    (void)context;
    state_letters(info, state);
    printf("%-40s %5u %5llu %5u     %s  %6llu.%llu\n", name_of(info->domain), info->domain,
           (unsigned long long)(info->tot_pages + info->outstanding_pages) / 256,
           (unsigned int)info->nr_online_vcpus, state, (unsigned long long)tenths / 10,
           (unsigned long long)tenths % 10);
}

static void list_json(const struct xen_domctl_getdomaininfo *info, void *context)
{
    struct json *json = context;
    char state[7], uuid[37];

    state_letters(info, state);
    domain_store_uuid(info->handle, uuid);
    json_open(json, NULL, '{');
    json_number(json, "domid", info->domain);
    json_string(json, "name", name_of(info->domain));
    json_string(json, "uuid", uuid);
    json_number(json, "memory_kib", info->tot_pages * 4);
    json_number(json, "max_memory_kib", info->max_pages * 4);
    json_number(json, "vcpus", info->nr_online_vcpus);
    json_string(json, "state", state);
    json_number(json, "cpu_time_ns", info->cpu_time);
    json_close(json, '}');
}

static void long_devices(struct json *json, const struct xl_config *config)
{
    char mac[18];

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
        const uint8_t *m = config->vifs[i].mac;
        snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
                 m[5]);
        json_open(json, NULL, '{');
        json_number(json, "devid", config->vifs[i].id);
        json_string(json, "mac", mac);
        json_string(json, "bridge", config->vifs[i].bridge);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* The configuration, as Xen's list -l has it. */
static void list_long(const struct xen_domctl_getdomaininfo *info, void *context)
{
    const struct domain *domain = domain_find(info->domain);
    struct json *json = context;
    char uuid[37];

    json_open(json, NULL, '{');
    json_number(json, "domid", info->domain);
    json_open(json, "config", '{');
    json_open(json, "c_info", '{');
    json_string(json, "type", "pv");
    json_string(json, "name", name_of(info->domain));
    domain_store_uuid(info->handle, uuid);
    json_string(json, "uuid", uuid);
    json_close(json, '}');
    json_open(json, "b_info", '{');
    json_number(json, "max_vcpus", info->max_vcpu_id + 1);
    json_number(json, "max_memkb", domain ? domain->config.maxmem_kib : info->tot_pages * 4);
    json_number(json, "target_memkb", info->tot_pages * 4);
    if (domain) {
        json_string(json, "kernel", domain->config.kernel);
        json_string(json, "ramdisk", domain->config.ramdisk);
        json_string(json, "cmdline", domain->config.cmdline);
    }
    json_close(json, '}');
    if (domain) {
        long_devices(json, &domain->config);
        json_string(json, "on_poweroff", xl_action_name(domain->config.on_poweroff));
        json_string(json, "on_reboot", xl_action_name(domain->config.on_reboot));
        json_string(json, "on_crash", xl_action_name(domain->config.on_crash));
        json_string(json, "on_watchdog", xl_action_name(domain->config.on_watchdog));
        json_string(json, "on_soft_reset", xl_action_name(domain->config.on_soft_reset));
    }
    json_close(json, '}');
    json_close(json, '}');
}

int xl_list(struct xl_arguments *arguments)
{
    struct json json = JSON_INIT;
    bool whole = xl_take_option(arguments, 'l', "long");
    bool good;

    if (!check_named(arguments)) {
        return 1;
    }
    if (whole || arguments->json) {
        json_open(&json, NULL, '[');
        good = for_each(arguments, whole ? list_long : list_json, &json);
        json_close(&json, ']');
        return good ? 0 : 1;
    }
    printf("%-40s %5s %5s %5s\t%s\t%s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)");
    return for_each(arguments, list_row, NULL) ? 0 : 1;
}

/* --- uptime ---------------------------------------------------------------------------------- */

static uint64_t uptime_of(domid_t domid)
{
    const struct domain *domain = domain_find(domid);

    return (time_now() - (domain ? domain->started : 0)) / NSEC_PER_SEC;
}

static void uptime_row(const struct xen_domctl_getdomaininfo *info, void *context)
{
    uint64_t up = uptime_of(info->domain);
    char days[32] = "";

    (void)context;
    if (up >= 86400) {
        snprintf(days, sizeof(days), "%llu day%s, ", (unsigned long long)up / 86400,
                 up >= 2 * 86400 ? "s" : "");
    }
    printf("%-33s %4u %s%2llu:%02llu:%02llu\n", name_of(info->domain), info->domain, days,
           (unsigned long long)up % 86400 / 3600, (unsigned long long)up % 3600 / 60,
           (unsigned long long)up % 60);
}

static void uptime_json(const struct xen_domctl_getdomaininfo *info, void *context)
{
    struct json *json = context;

    json_open(json, NULL, '{');
    json_number(json, "domid", info->domain);
    json_string(json, "name", name_of(info->domain));
    json_number(json, "uptime_s", uptime_of(info->domain));
    json_close(json, '}');
}

int xl_uptime(struct xl_arguments *arguments)
{
    struct json json = JSON_INIT;
    bool good;

    if (!check_named(arguments)) {
        return 1;
    }
    if (arguments->json) {
        json_open(&json, NULL, '[');
        good = for_each(arguments, uptime_json, &json);
        json_close(&json, ']');
        return good ? 0 : 1;
    }
    printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
    return for_each(arguments, uptime_row, NULL) ? 0 : 1;
}

/* --- vcpu-list ------------------------------------------------------------------------------- */

static void vcpu_rows(const struct xen_domctl_getdomaininfo *info, void *context)
{
    (void)context;
    for (unsigned int i = 0; i <= info->max_vcpu_id && info->max_vcpu_id != ~0U; i++) {
        struct xen_domctl_getvcpuinfo vcpu;
        if (domctl_get_vcpu_info(info->domain, i, &vcpu)) {
            continue;
        }
        uint64_t tenths = vcpu.cpu_time / (NSEC_PER_SEC / 10);
        printf("%-32s %5u %5u", name_of(info->domain), info->domain, i);
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

static void vcpu_json(const struct xen_domctl_getdomaininfo *info, void *context)
{
    struct json *json = context;

    for (unsigned int i = 0; i <= info->max_vcpu_id && info->max_vcpu_id != ~0U; i++) {
        struct xen_domctl_getvcpuinfo vcpu;
        if (domctl_get_vcpu_info(info->domain, i, &vcpu)) {
            continue;
        }
        json_open(json, NULL, '{');
        json_number(json, "domid", info->domain);
        json_string(json, "name", name_of(info->domain));
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
    struct json json = JSON_INIT;
    bool good;

    if (!check_named(arguments)) {
        return 1;
    }
    if (arguments->json) {
        json_open(&json, NULL, '[');
        good = for_each(arguments, vcpu_json, &json);
        json_close(&json, ']');
        return good ? 0 : 1;
    }
    printf("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
           "Affinity (Hard / Soft)");
    return for_each(arguments, vcpu_rows, NULL) ? 0 : 1;
}

/* --- dmesg ----------------------------------------------------------------------------------- */

int xl_dmesg(struct xl_arguments *arguments)
{
    static uint32_t cleared; /* -c: what lies before is not shown again */
    bool clear = xl_take_option(arguments, 'c', "clear");
    uint32_t index = cleared;
    struct json json = JSON_INIT;
    char buffer[1025];
    int count;

    if (arguments->json) {
        json_open(&json, NULL, '[');
    }
    while ((count = sysctl_read_console(buffer, sizeof(buffer) - 1, &index)) > 0) {
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
    if (count < 0) {
        printf("xl dmesg: %s\n", errno_name(count));
    }
    cleared = clear ? index : cleared;
    return count < 0 ? 1 : 0;
}

/* --- devices --------------------------------------------------------------------------------- */

struct device_row {
    unsigned int id;
    unsigned int state;
    uint64_t event_channel;
    char frontend[64], backend[64];
};

static void device_read(struct device_row *row, domid_t domid, const char *kind, unsigned int id)
{
    row->id = id;
    snprintf(row->frontend, sizeof(row->frontend), "/local/domain/%u/device/%s/%u", domid, kind,
             id);
    snprintf(row->backend, sizeof(row->backend), "/local/domain/0/backend/%s/%u/%u", kind, domid,
             id);
    row->state = (unsigned int)xenbus_read_state(row->frontend);
    row->event_channel = xenbus_read_number_or(row->frontend, "event-channel", ~0ULL);
}

static void device_json(struct json *json, const struct device_row *row)
{
    json_number(json, "id", row->id);
    json_number(json, "state", row->state);
    json_string(json, "frontend", row->frontend);
    json_string(json, "backend", row->backend);
}

int xl_block_list(struct xl_arguments *arguments)
{
    struct domain *domain = xl_domain(arguments);
    struct json json = JSON_INIT;
    struct device_row row;

    if (!domain) {
        return 1;
    }
    if (arguments->json) {
        json_open(&json, NULL, '[');
    } else {
        printf("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state", "evt-ch",
               "ring-ref", "BE-path");
    }
    for (unsigned int i = 0; i < domain->config.disk_count; i++) {
        if (!domain->config.disks[i].target[0]) {
            continue; /* an empty drive */
        }
        device_read(&row, domain->domid, "vbd", domain->config.disks[i].number);
        if (arguments->json) {
            json_open(&json, NULL, '{');
            device_json(&json, &row);
            json_string(&json, "params", domain->config.disks[i].target);
            json_close(&json, '}');
        } else {
            printf("%-5u %-3d %-6d %-5u %-6d %-8d %-30s\n", row.id, 0, (int)domain->domid,
                   row.state, (int)row.event_channel,
                   (int)xenbus_read_number_or(row.frontend, "ring-ref", ~0ULL), row.backend);
        }
    }
    if (arguments->json) {
        json_close(&json, ']');
    }
    return 0;
}

int xl_network_list(struct xl_arguments *arguments)
{
    struct domain *domain = xl_domain(arguments);
    struct json json = JSON_INIT;
    struct device_row row;

    if (!domain) {
        return 1;
    }
    if (arguments->json) {
        json_open(&json, NULL, '[');
    } else {
        printf("%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.",
               "handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path");
    }
    for (unsigned int i = 0; i < domain->config.vif_count; i++) {
        const uint8_t *mac = domain->config.vifs[i].mac;
        char text[18];
        snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                 mac[3], mac[4], mac[5]);
        device_read(&row, domain->domid, "vif", domain->config.vifs[i].id);
        if (arguments->json) {
            json_open(&json, NULL, '{');
            device_json(&json, &row);
            json_string(&json, "mac", text);
            json_close(&json, '}');
            continue;
        }
        if (row.event_channel == ~0ULL) {
            row.event_channel = xenbus_read_number_or(row.frontend, "event-channel-tx", ~0ULL);
        }
        printf("%-3u %-2d %-17s %6u %5u %6d %5d/%-11d %-30s\n", row.id, 0, text, row.id, row.state,
               (int)row.event_channel,
               (int)xenbus_read_number_or(row.frontend, "tx-ring-ref", ~0ULL),
               (int)xenbus_read_number_or(row.frontend, "rx-ring-ref", ~0ULL), row.backend);
    }
    if (arguments->json) {
        json_close(&json, ']');
    }
    return 0;
}
