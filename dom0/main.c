// SPDX-License-Identifier: MIT
/*
 * dom0: the domain that has the devices and the toolstack. Its start, in order.
 *
 * Words on the command line: auto=FILE[,FILE...] (guests to create;
 * without it: the web server, if the boot archive has it), address=dhcp or
 * address=ADDRESS/BITS[,GATEWAY] (dom0's own TCP/IP; none without it), run="COMMAND; COMMAND" (shell
 * commands before the prompt).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/archive.h"
#include "dom0/blkback.h"
#include "dom0/bridge.h"
#include "dom0/domain.h"
#include "dom0/guest_console.h"
#include "dom0/netback.h"
#include "dom0/pci.h"
#include "dom0/shell.h"
#include "dom0/virtio_blk.h"
#include "dom0/virtio_net.h"
#include "dom0/xenstore_service.h"
#include "dom0/xl.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/netstack.h"
#include "pvguest/start.h"
#include "pvguest/time.h"

#define GUEST_DEFAULT "/guests/web.cfg"
#define BRIDGE "xenbr0" /* the name that Xen's toolstack gives its default bridge */

const char *const program_name = "dom0";

static struct archive archive;

static void announce(const char *what, int rc)
{
    if (rc < 0) {
        printf("dom0: %s: %s\n", what, errno_name(rc));
    }
}

static void archive_open(void)
{
    void *base;
    size_t length;
    int rc = start_module(&base, &length);

    if (rc == 0) {
        archive = (struct archive){base, length};
        printf("dom0: boot archive of %zu KiB\n", length / 1024);
    }
    announce("no boot archive", rc);
}

static void services_start(void)
{
    announce("xenstore", xenstore_service_start());
    announce("guest consoles", guest_console_start());
    announce("toolstack", domain_start(&archive, shell_notice));
    xl_start(&archive);
}

static void devices_start(void)
{
    int rc = pci_init();

    announce("PCI", rc);
    if (rc == 0) {
        virtio_blk_init();
        virtio_net_init();
    }
}

/* The bridge has the address of the first card, as bridges do. */
static void network_start(void)
{
    static const uint8_t no_card[NET_ADDRESS_LENGTH] = {0x00, 0x16, 0x3e, 0, 0, 1};
    struct net_device *card = net_iterate(NULL);
    struct bridge *bridge = bridge_create(BRIDGE, card ? card->mac : no_card);
    const char *address = start_option("address");

    if (!bridge) {
        announce("bridge", -XEN_ENOMEM);
        return;
    }
    for (card = net_iterate(NULL); card; card = net_iterate(card)) {
        if (strncmp(card->name, "eth", 3) == 0) {
            announce(card->name, bridge_add(bridge, card));
        }
    }
    if (address) {
        announce("address=", netstack_start(bridge_local(bridge), address, "dom0"));
    }
}

static void backends_start(void)
{
    announce("blkback", blkback_init());
    announce("netback", netback_init(BRIDGE));
}

/* auto=web.cfg,other.cfg; "auto=" creates none. */
static void guests_start(void)
{
    const char *option = start_option("auto");
    struct archive_file file;
    char *list, *state;

    if (!option && archive_find(&archive, GUEST_DEFAULT, &file)) {
        option = GUEST_DEFAULT;
    }
    state = list = option ? strdup(option) : NULL;

    for (char *name = strsep(&state, ","); list && name; name = strsep(&state, ",")) {
        char *words[] = {"create", name, NULL};
        if (*name) {
            xl_main(2, words);
        }
    }
    free(list);
}

static void commands_run(void)
{
    const char *option = start_option("run");
    char *line = option ? strdup(option) : NULL;

    if (line) {
        shell_run(line);
    }
    free(line);
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!start_is_dom0()) {
        printf("dom0: this is not the first domain\n");
        return 1;
    }
    printf("dom0: %zu MiB of memory\n", memory_page_count() / 256);
    archive_open();
    services_start();
    devices_start();
    network_start();
    backends_start();
    guests_start();
    commands_run();
    printf("dom0: ready after %llu ms\n", (unsigned long long)(time_now() / NSEC_PER_MSEC));
    shell_main(&archive);
    return 0;
}
