// SPDX-License-Identifier: MIT
/* xl info: what there is to say about the machine and the hypervisor. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/version.h>

#include "dom0/domctl.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/errno.h"
#include "pvguest/hypercall.h"
#include "pvguest/xenbus.h"

struct facts {
    struct json json;
    bool as_json;
};

static void text(struct facts *facts, const char *name, const char *value)
{
    if (facts->as_json) {
        json_string(&facts->json, name, value);
    } else {
        printf("%-23s: %s\n", name, value);
    }
}

static void number(struct facts *facts, const char *name, uint64_t value)
{
    if (facts->as_json) {
        json_number(&facts->json, name, value);
    } else {
        printf("%-23s: %llu\n", name, (unsigned long long)value);
    }
}

static void print_machine(struct facts *facts, const struct xen_sysctl_physinfo *info)
{
    char caps[80];
    size_t used = 0;

    for (unsigned int i = 0; i < 8; i++) {
        used += (size_t)snprintf(caps + used, sizeof(caps) - used, "%s%08x", i ? ":" : "",
                                 (unsigned int)info->hw_cap[i]);
    }
    text(facts, "host", "dom0");
    text(facts, "release", "1");
    text(facts, "machine", "x86_64");
    number(facts, "nr_cpus", info->nr_cpus);
    number(facts, "max_cpu_id", info->max_cpu_id);
    number(facts, "nr_nodes", info->nr_nodes);
    number(facts, "cores_per_socket", info->cores_per_socket);
    number(facts, "threads_per_core", info->threads_per_core);
    number(facts, "cpu_mhz", info->cpu_khz / 1000);
    text(facts, "hw_caps", caps);
    text(facts, "virt_caps", "pv");
    number(facts, "total_memory", info->total_pages / 256);
    number(facts, "free_memory", (info->free_pages - info->outstanding_pages) / 256);
    number(facts, "free_pages", info->free_pages + info->scrub_pages);
    number(facts, "sharing_freed_memory", 0);
    number(facts, "sharing_used_memory", 0);
    number(facts, "outstanding_claims", info->outstanding_pages / 256);
    number(facts, "free_cpus", 0);
}

static void print_hypervisor(struct facts *facts)
{
    static const char *const schedulers[] = {
        [XEN_SCHEDULER_CREDIT] = "credit",     [XEN_SCHEDULER_CREDIT2] = "credit2",
        [XEN_SCHEDULER_ARINC653] = "arinc653", [XEN_SCHEDULER_RTDS] = "rtds",
        [XEN_SCHEDULER_NULL] = "null",
    };
    char extra[XEN_EXTRAVERSION_LEN + 1] = "", buffer[1025] = "", all[64];
    long version = hypercall_xen_version(XENVER_version, NULL);
    struct xen_platform_parameters platform = {0};
    uint32_t scheduler = 0;

    hypercall_xen_version(XENVER_extraversion, extra);
    number(facts, "xen_major", (uint64_t)version >> 16);
    number(facts, "xen_minor", (uint64_t)version & 0xffff);
    text(facts, "xen_extra", extra);
    snprintf(all, sizeof(all), "%ld.%ld%s", version >> 16, version & 0xffff, extra);
    text(facts, "xen_version", all);
    if (hypercall_xen_version(XENVER_capabilities, buffer) == 0) {
        text(facts, "xen_caps", buffer);
    }
    if (sysctl_scheduler(&scheduler) == 0 &&
        scheduler < sizeof(schedulers) / sizeof(schedulers[0]) && schedulers[scheduler]) {
        text(facts, "xen_scheduler", schedulers[scheduler]);
    }
    number(facts, "xen_pagesize", (uint64_t)hypercall_xen_version(XENVER_pagesize, NULL));
    if (hypercall_xen_version(XENVER_platform_parameters, &platform) == 0) {
        snprintf(all, sizeof(all), "virt_start=0x%lx", platform.virt_start);
        text(facts, "platform_params", all);
    }
    memset(buffer, 0, sizeof(buffer));
    if (hypercall_xen_version(XENVER_changeset, buffer) == 0) {
        text(facts, "xen_changeset", buffer);
    }
    memset(buffer, 0, sizeof(buffer));
    if (hypercall_xen_version(XENVER_commandline, buffer) == 0) {
        text(facts, "xen_commandline", buffer);
    }
}

/* All memory is one node's: topology is not told to PV guests, dom0 among them. */
static void print_nodes(struct facts *facts, const struct xen_sysctl_physinfo *info)
{
    uint64_t all = info->total_pages / 256, unused = (info->free_pages + info->scrub_pages) / 256;

    if (facts->as_json) {
        json_number(&facts->json, "node0_memory", all);
        json_number(&facts->json, "node0_free_memory", unused);
    } else {
        printf("numa_info              :\nnode:    memsize    memfree    distances\n"
               "%4d:  %9llu  %9llu      %d\n",
               0, (unsigned long long)all, (unsigned long long)unused, 10);
    }
}

int xl_info(struct xl_arguments *arguments)
{
    struct facts facts = {JSON_INIT, arguments->json};
    struct xen_sysctl_physinfo info;
    int rc = sysctl_physinfo(&info);

    if (rc) {
        return xl_fail(arguments, "xl info: %s", errno_name(rc));
    }
    if (facts.as_json) {
        json_open(&facts.json, NULL, '{');
    }
    print_machine(&facts, &info);
    print_hypervisor(&facts);
    text(&facts, "xend_config_format", "4");
    if (xl_option_count(arguments, 'n')) {
        print_nodes(&facts, &info);
    }
    if (facts.as_json) {
        json_close(&facts.json, '}');
    }
    return 0;
}
