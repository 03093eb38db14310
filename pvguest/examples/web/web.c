// SPDX-License-Identifier: MIT
/*
 * A web server: a page about this guest, and below /files/ the files of its disk (ISO 9660).
 *
 * Command line: ip=dhcp (default) or ip=ADDRESS/BITS,GATEWAY; disk=xvda.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/netif.h"
#include "pvguest/blkfront.h"
#include "pvguest/block.h"
#include "pvguest/http_files.h"
#include "pvguest/http_server.h"
#include "pvguest/memory.h"
#include "pvguest/netfront.h"
#include "pvguest/netstack.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define HTTP_PORT 80U
#define PAGE_BYTES 16384U
#define WAIT_NS (10 * NSEC_PER_SEC)

static char guest_name[64] = "guest";
static uint64_t started_at;

struct text {
    char *at;
    size_t left;
};

static void list_file(void *context, const char *path, uint32_t size)
{
    struct text *text = context;
    int n = snprintf(text->at, text->left, "<li><a href=\"%s\">%s</a> %u bytes</li>\n", path, path,
                     size);

    if (n > 0 && (size_t)n < text->left) {
        text->at += n;
        text->left -= (size_t)n;
    } else {
        *text->at = '\0';
    }
}

static char *front_page(const char *path)
{
    char *page = malloc(PAGE_BYTES);

    (void)path;
    if (page == NULL) {
        return NULL;
    }
    unsigned long up = (unsigned long)((time_now() - started_at) / NSEC_PER_MSEC);
    int n = snprintf(page, PAGE_BYTES,
                     "<!DOCTYPE html>\n<html><head><title>%s</title></head><body>\n<h1>%s</h1>\n"
                     "<p>This page comes from guest <b>%s</b>, uptime %lu.%03lu seconds, "
                     "%lu pages of memory free.</p>\n<ul>\n",
                     guest_name, guest_name, guest_name, up / 1000, up % 1000, page_free_count());
    struct text text = {page + n, PAGE_BYTES - (size_t)n - sizeof("</ul></body></html>\n")};
    http_files_visit(list_file, &text);
    snprintf(text.at, sizeof("</ul></body></html>\n"), "</ul></body></html>\n");
    return page;
}

static int serve_disk(const char *name)
{
    static struct iso9660_volume volume;
    struct block_device *disk = block_find(name);

    if (disk == NULL) {
        printf("web: there is no disk %s\n", name);
        return -1;
    }
    int error = iso9660_mount(&volume, disk);
    if (error == 0) {
        error = http_add_volume("/files", &volume);
    }
    if (error != 0) {
        printf("web: disk %s cannot be used (%d)\n", name, error);
        return -1;
    }
    printf("web: serving the volume \"%s\" of %s\n", volume.label, name);
    return 0;
}

int main(void)
{
    const char *address = start_option("ip"), *disk = start_option("disk");

    started_at = time_now();
    (void)xenbus_read_text("name", NULL, guest_name, sizeof(guest_name));
    if (netfront_init() != 0 || blkfront_init(WAIT_NS) < 0) {
        printf("web: there is no xenstore\n");
        return 1;
    }
    struct net_device *card = netfront_wait("eth0", WAIT_NS);
    if (card == NULL) {
        printf("web: there is no network card\n");
        return 1;
    }
    if (netstack_start(card, address != NULL ? address : "dhcp", guest_name) != 0) {
        printf("web: bad address %s\n", address);
        return 1;
    }
    http_add_page("/index.html", front_page);
    (void)serve_disk(disk != NULL ? disk : "xvda");
    if (!netstack_wait_address(card, WAIT_NS)) {
        printf("web: no address yet, still asking\n");
    }
    if (http_server_start(HTTP_PORT) != 0) {
        printf("web: port %u cannot be listened on\n", HTTP_PORT);
        return 1;
    }
    printf("web: http://%s/ is up after %lu ms\n",
           ip4addr_ntoa(netif_ip4_addr(netstack_netif(card))),
           (unsigned long)((time_now() - started_at) / NSEC_PER_MSEC));
    for (;;) {
        thread_sleep(3600 * NSEC_PER_SEC);
    }
}
