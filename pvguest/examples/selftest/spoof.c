// SPDX-License-Identifier: MIT
/*
 * Whether the bridge lets the card send with an address that is not its own: an ARP request (RFC 826) with a
 * foreign one, then another with its own. Requests and answers keep their order, so when the second answer is
 * there, the first one is too or does not come.
 */
#include <stdio.h>
#include <string.h>
#include "pvguest/net.h"
#include "pvguest/netfront.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/examples/selftest/selftest.h"

#define PATIENCE_NS (20 * NSEC_PER_SEC)
#define FRAME_LENGTH 60
#define ARP_LENGTH 42
#define OPERATION 21 /* its low byte */
#define REPLY 2

static const uint8_t foreign[NET_ADDRESS_LENGTH] = {0x00, 0x16, 0x3e, 0x7f, 0, 0x01};
static uint8_t own[NET_ADDRESS_LENGTH];
static bool own_answered, foreign_answered;
static struct wait_queue answers;

static void frame_receive(struct net_device *net, struct net_packet *packet)
{
    static const uint8_t arp[] = {0x08, 0x06};
    uint8_t frame[ARP_LENGTH];

    (void)net;
    if (net_packet_read(packet, 0, frame, sizeof(frame)) &&
        memcmp(&frame[12], arp, sizeof(arp)) == 0 && frame[OPERATION] == REPLY) {
        own_answered |= memcmp(frame, own, sizeof(own)) == 0;
        foreign_answered |= memcmp(frame, foreign, sizeof(foreign)) == 0;
        wake_up(&answers);
    }
    net_packet_free(packet);
}

static bool request_send(struct net_device *net, const uint8_t *from, const uint8_t *server)
{
    static const uint8_t head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1},
                         client[] = {10, 0, 2, 91};
    struct net_packet *packet = net_packet_alloc(FRAME_LENGTH);

    if (packet == NULL) {
        return false;
    }
    uint8_t *frame = packet->fragments[0].address;
    memset(frame, 0, FRAME_LENGTH);
    memset(frame, 0xff, NET_ADDRESS_LENGTH);
    memcpy(&frame[6], from, NET_ADDRESS_LENGTH);
    memcpy(&frame[12], head, sizeof(head));
    memcpy(&frame[22], from, NET_ADDRESS_LENGTH);
    memcpy(&frame[28], client, sizeof(client));
    memcpy(&frame[38], server, 4);
    return net_transmit(net, packet) == 0;
}

int spoof(const char *address)
{
    unsigned int part[4] = {0};
    uint8_t server[4];
    struct net_device *net = netfront_init() == 0 ? netfront_wait("eth0", PATIENCE_NS) : NULL;

    if (net == NULL ||
        sscanf(address, "%u.%u.%u.%u", &part[0], &part[1], &part[2], &part[3]) != 4) {
        printf("spoof: no card or no address\n");
        return 1;
    }
    for (int i = 0; i < 4; i++) {
        server[i] = (uint8_t)part[i];
    }
    memcpy(own, net->mac, sizeof(own));
    net->receive = frame_receive;
    bool sent = request_send(net, foreign, server) && request_send(net, own, server);
    (void)wait_event_timeout(&answers, own_answered, PATIENCE_NS);
    printf("spoof: sent %d, answered as own %d, as foreign %d\n", sent, own_answered,
           foreign_answered);
    return 0;
}
