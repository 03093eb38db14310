// SPDX-License-Identifier: MIT
/*
 * Glue between net_device and lwIP. See netstack.h.
 *
 * Receive: a packet's fragments become a chain of custom pbufs; the packet is freed with the last of
 * them, so data is not copied on the way in. Checksums that the device vouches for are not checked.
 * Transmit: the pbuf chain is referenced, not copied, and split at page borders. If the device can
 * fill in checksums, only the pseudo-header's sum is stored. lwIP does not touch a segment again as
 * long as somebody else holds a reference to it.
 * One thread, "tcpip", runs lwIP's timers for all interfaces.
 */
#include "pvguest/netstack.h"

#include <stdlib.h>
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include <xen/errno.h>

#define TIMER_STEP_NS (50 * NSEC_PER_MSEC)
#define CHECKSUM_ALL 0xffffU

static struct wait_queue address_waiters;
static bool started;

u32_t sys_now(void)
{
    return (u32_t)(time_now() / NSEC_PER_MSEC);
}

static void timer_thread(void *arg)
{
    (void)arg;
    for (;;) {
        sys_check_timeouts();
        u32_t next = sys_timeouts_sleeptime();
        uint64_t ns = next == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? TIMER_STEP_NS
                                                              : next * NSEC_PER_MSEC;
        thread_sleep(ns < TIMER_STEP_NS ? ns : TIMER_STEP_NS);
    }
}

/* --- receive */

struct rx_pbuf {
    struct pbuf_custom custom;
    struct rx_packet *owner;
};

struct rx_packet {
    struct net_packet *packet;
    unsigned int live; /* pbufs not yet freed */
    struct rx_pbuf pbufs[];
};

static void rx_free(struct pbuf *p)
{
    struct rx_packet *rx = ((struct rx_pbuf *)(void *)p)->owner;

    if (--rx->live == 0) {
        net_packet_free(rx->packet);
        free(rx);
    }
}

static struct pbuf *rx_wrap(struct net_packet *packet)
{
    unsigned int n = packet->fragment_count;
    struct rx_packet *rx = malloc(sizeof(*rx) + n * sizeof(rx->pbufs[0]));
    struct pbuf *head = NULL;

    if (!rx) {
        return NULL;
    }
    rx->packet = packet;
    rx->live = n;
    for (unsigned int i = 0; i < n; i++) {
        struct net_fragment *f = &packet->fragments[i];
        rx->pbufs[i].owner = rx;
        rx->pbufs[i].custom.custom_free_function = rx_free;
        struct pbuf *p = pbuf_alloced_custom(PBUF_RAW, (u16_t)f->length, PBUF_REF,
                                             &rx->pbufs[i].custom, f->address, (u16_t)f->length);
        if (head) {
            pbuf_cat(head, p);
        } else {
            head = p;
        }
    }
    return head;
}

static void set_checksums(struct netif *netif, bool check)
{
    u16_t flags = CHECKSUM_ALL;

    if (!check) {
        flags &= (u16_t) ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    }
    if (((struct net_device *)netif->state)->features & NET_FEATURE_CSUM_TX) {
        flags &= (u16_t) ~(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP);
    }
    NETIF_SET_CHECKSUM_CTRL(netif, flags);
}

static void receive(struct net_device *device, struct net_packet *packet)
{
    struct netif *netif = device->receiver;
    bool check = packet->checksum == NET_CHECKSUM_NONE;
    struct pbuf *p = rx_wrap(packet);

    if (!p) {
        net_packet_free(packet);
        return;
    }
    set_checksums(netif, check);
    if (netif->input(p, netif) != ERR_OK) {
        pbuf_free(p);
    }
}

/* --- transmit */

static void tx_release(struct net_packet *packet)
{
    pbuf_free(packet->context);
    free(packet);
}

/* Appends [address, address+length) in pieces that stay within pages. */
static bool tx_append(struct net_packet *packet, uint8_t *address, uint32_t length)
{
    while (length) {
        uint32_t room = (uint32_t)(PAGE_SIZE - ((uintptr_t)address & ~PAGE_MASK));
        uint32_t n = length < room ? length : room;
        if (packet->fragment_count == NET_FRAGMENTS_MAX) {
            return false;
        }
        packet->fragments[packet->fragment_count++] = (struct net_fragment){address, 0, n};
        packet->length += n;
        address += n;
        length -= n;
    }
    return true;
}

static struct net_packet *tx_wrap(struct pbuf *p)
{
    struct net_packet *packet = calloc(1, sizeof(*packet));

    if (!packet) {
        return NULL;
    }
    for (struct pbuf *q = p; q; q = q->next) {
        if (!tx_append(packet, q->payload, q->len)) {
            free(packet);
            return NULL;
        }
    }
    pbuf_ref(p);
    packet->context = p;
    packet->release = tx_release;
    return packet;
}

static struct net_packet *tx_copy(struct pbuf *p)
{
    struct net_packet *packet = net_packet_alloc_large(p->tot_len);
    uint32_t at = 0;

    for (struct pbuf *q = p; packet && q; q = q->next) {
        net_packet_write(packet, at, q->payload, q->len);
        at += q->len;
    }
    return packet;
}

static uint32_t sum_words(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < length; i += 2) {
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    }
    return sum;
}

/* lwIP left the TCP or UDP checksum at 0: store the pseudo-header's sum, the device does the rest. */
static void tx_blank_checksum(struct net_packet *packet)
{
    uint16_t start, field;
    uint8_t header[40];
    uint32_t sum;

    if (!net_checksum_locate(packet, &start, &field) ||
        !net_packet_read(packet, NET_HEADER_LENGTH, header, sizeof(struct ip_hdr))) {
        return;
    }
    bool is_v6 = header[0] >> 4 == 6;
    uint8_t protocol = field - start == 6 ? IP_PROTO_UDP : IP_PROTO_TCP;
    if (is_v6) {
        if (!net_packet_read(packet, NET_HEADER_LENGTH, header, sizeof(header))) {
            return;
        }
        sum = sum_words(header + 8, 32) + protocol + packet->length - start;
    } else {
        uint32_t total = (uint32_t)header[2] << 8 | header[3];
        sum = sum_words(header + 12, 8) + protocol + total + NET_HEADER_LENGTH - start;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    const uint8_t bytes[2] = {(uint8_t)(sum >> 8), (uint8_t)sum};
    if (net_packet_write(packet, field, bytes, sizeof(bytes))) {
        packet->checksum = NET_CHECKSUM_BLANK;
    }
}

static err_t link_output(struct netif *netif, struct pbuf *p)
{
    struct net_device *device = netif->state;
    struct net_packet *packet = tx_wrap(p);

    if (!packet) {
        packet = tx_copy(p);
    }
    if (!packet) {
        return ERR_MEM;
    }
    packet->checksum = NET_CHECKSUM_VALID;
    if (device->features & NET_FEATURE_CSUM_TX) {
        tx_blank_checksum(packet);
    }
    return net_transmit(device, packet) == 0 ? ERR_OK : ERR_BUF;
}

/* --- set-up */

static void status_changed(struct netif *netif)
{
    (void)netif;
    wake_up(&address_waiters);
}

static err_t netif_setup(struct netif *netif)
{
    struct net_device *device = netif->state;

    netif->name[0] = device->name[0];
    netif->name[1] = device->name[1];
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = link_output;
    netif->mtu = device->mtu;
    netif->hwaddr_len = NET_ADDRESS_LENGTH;
    memcpy(netif->hwaddr, device->mac, NET_ADDRESS_LENGTH);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
                   NETIF_FLAG_LINK_UP;
    set_checksums(netif, true);
    return ERR_OK;
}

struct static_address {
    ip4_addr_t address, mask, gateway;
};

/* "a.b.c.d/bits[,gateway]" */
static bool parse_address(const char *text, struct static_address *out)
{
    char part[32];
    const char *slash = strchr(text, '/');
    char *end;

    if (!slash || (size_t)(slash - text) >= sizeof(part)) {
        return false;
    }
    memcpy(part, text, (size_t)(slash - text));
    part[slash - text] = '\0';
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (end == slash + 1 || bits > 32 || !ip4addr_aton(part, &out->address)) {
        return false;
    }
    ip4_addr_set_u32(&out->mask, lwip_htonl(bits ? ~0U << (32 - bits) : 0));
    ip4_addr_set_zero(&out->gateway);
    return *end == '\0' || (*end == ',' && ip4addr_aton(end + 1, &out->gateway));
}

int netstack_start(struct net_device *device, const char *address, const char *hostname)
{
    struct static_address fixed = {0};
    bool is_dhcp = strcmp(address, "dhcp") == 0;

    if (!is_dhcp && !parse_address(address, &fixed)) {
        return -XEN_EINVAL;
    }
    if (device->receive) {
        return -XEN_EBUSY;
    }
    struct netif *netif = calloc(1, sizeof(*netif));
    if (!netif) {
        return -XEN_ENOMEM;
    }
    if (!started) {
        lwip_init();
        if (!thread_create("tcpip", timer_thread, NULL)) {
            free(netif);
            return -XEN_ENOMEM;
        }
        started = true;
    }
    netif_add(netif, &fixed.address, &fixed.mask, &fixed.gateway, device, netif_setup,
              ethernet_input);
    netif_set_hostname(netif, hostname);
    netif_set_status_callback(netif, status_changed);
    netif_create_ip6_linklocal_address(netif, 1);
    if (!netif_default) {
        netif_set_default(netif);
    }
    device->receiver = netif;
    device->receive = receive;
    netif_set_up(netif);
    if (is_dhcp) {
        dhcp_start(netif);
    }
    return 0;
}

bool netstack_wait_address(struct net_device *device, uint64_t ns)
{
    struct netif *netif = netstack_netif(device);

    return netif &&
           wait_event_timeout(&address_waiters, !ip4_addr_isany_val(*netif_ip4_addr(netif)), ns);
}

struct netif *netstack_netif(struct net_device *device)
{
    return device->receive == receive ? device->receiver : NULL;
}
