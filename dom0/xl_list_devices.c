// SPDX-License-Identifier: MIT
/* The commands of xl that show the devices of guests: block-list, network-list. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dom0/domain_death.h"
#include "dom0/domain_store.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/net.h"
#include "pvguest/xenbus.h"

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

/* Reading nodes lets others run, so that the domain may be gone after each: the record is looked up
 * again. NULL then. */
static const struct xl_config *config_of(domid_t domid, uint64_t serial)
{
    const struct domain *domain = domain_find(domid);

    return domain && domain->serial == serial ? &domain->config : NULL;
}

/* Prints device `index` of a domain; false if there is none. */
typedef bool device_print(struct json *json, domid_t domid, uint64_t serial, unsigned int index);

/* Prints the devices of each domain that is named, `heading` before those of each. */
static int device_list(const struct xl_arguments *arguments, const char *heading,
                       device_print *print)
{
    struct json json = JSON_INIT;
    struct xl_target target;

    for (int i = 0; i < arguments->argc; i++) {
        if (!xl_target(arguments, i, &target)) {
            return 1;
        }
    }
    if (arguments->json) {
        json_open(&json, NULL, '[');
    }
    for (int i = 0; i < arguments->argc; i++) {
        printf("%s", arguments->json ? "" : heading);
        const struct domain *domain = domain_find_name(arguments->argv[i]);
        domid_t domid = domain ? domain->domid : 0;
        uint64_t serial = domain ? domain->serial : 0;
        for (unsigned int index = 0;
             !console_interrupted() && print(arguments->json ? &json : NULL, domid, serial, index);
             index++) {
        }
    }
    if (arguments->json) {
        json_close(&json, ']');
    }
    return 0;
}

static bool block_print(struct json *json, domid_t domid, uint64_t serial, unsigned int index)
{
    const struct xl_config *config = config_of(domid, serial);
    struct device_row row;

    if (!config || index >= config->disk_count) {
        return false;
    }
    if (!config->disks[index].target[0]) {
        return true; /* an empty drive */
    }
    device_read(&row, domid, "vbd", config->disks[index].number);
    int ring = (int)xenbus_read_number_or(row.frontend, "ring-ref", ~0ULL);
    config = config_of(domid, serial);
    if (config && json) {
        json_open(json, NULL, '{');
        device_json(json, &row);
        json_string(json, "params", config->disks[index].target);
        json_close(json, '}');
    } else if (config) {
        printf("%-5u %-3d %-6d %-5u %-6d %-8d %-30s\n", row.id, 0, (int)domid, row.state,
               (int)row.event_channel, ring, row.backend);
    }
    return config;
}

int xl_block_list(struct xl_arguments *arguments)
{
    char heading[100];

    snprintf(heading, sizeof(heading), "%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE",
             "handle", "state", "evt-ch", "ring-ref", "BE-path");
    return device_list(arguments, heading, block_print);
}

static bool network_print(struct json *json, domid_t domid, uint64_t serial, unsigned int index)
{
    const struct xl_config *config = config_of(domid, serial);
    struct device_row row;
    char text[NET_ADDRESS_TEXT];

    if (!config || index >= config->vif_count) {
        return false;
    }
    net_address_format(config->vifs[index].mac, text);
    device_read(&row, domid, "vif", config->vifs[index].id);
    if (row.event_channel == ~0ULL) {
        row.event_channel = xenbus_read_number_or(row.frontend, "event-channel-tx", ~0ULL);
    }
    if (json) {
        json_open(json, NULL, '{');
        device_json(json, &row);
        json_string(json, "mac", text);
        json_close(json, '}');
    } else {
        printf("%-3u %-2d %-17s %6u %5u %6d %5d/%-11d %-30s\n", row.id, 0, text, row.id, row.state,
               (int)row.event_channel,
               (int)xenbus_read_number_or(row.frontend, "tx-ring-ref", ~0ULL),
               (int)xenbus_read_number_or(row.frontend, "rx-ring-ref", ~0ULL), row.backend);
    }
    return true;
}

int xl_network_list(struct xl_arguments *arguments)
{
    char heading[100];

    snprintf(heading, sizeof(heading), "%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx",
             "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path");
    return device_list(arguments, heading, network_print);
}
