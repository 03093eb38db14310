// SPDX-License-Identifier: MIT
/*
 * An HTTP client: fetches one file and prints the reply's status, the body's length and its Adler-32
 * (RFC 1950), over lwIP's raw TCP calls.
 *
 * Command line: ip=dhcp or ip=ADDRESS/BITS,GATEWAY; from=ADDRESS of the server; path=/FILE; loop:
 * again and again; rounds=N body=BYTES: instead, N requests for the file, which has so many bytes (0: for its head
 * alone), one after the other on one connection, and how long they took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "pvguest/netfront.h"
#include "pvguest/netstack.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define HTTP_PORT 80
#define WAIT_NS (10 * NSEC_PER_SEC)
#define FETCH_NS (60 * NSEC_PER_SEC)
#define ADLER_BASE 65521U
#define HEADER_END "\r\n\r\n"

struct fetch {
    char request[160];
    char status[16];        /* "HTTP/1.0 200 OK", as far as it fits */
    unsigned int head;      /* bytes of the reply before the body */
    unsigned int end_match; /* of HEADER_END seen in a row */
    uint32_t length, a, b;
    unsigned int rounds; /* still to be sent */
    uint32_t body;       /* bytes of each reply's body then */
    uint64_t sent_at, longest;
    bool done, failed;
    struct wait_queue queue;
};

static void finish(struct fetch *fetch, bool failed)
{
    fetch->failed = failed;
    fetch->done = true;
    wake_up(&fetch->queue);
}

static err_t request_send(struct fetch *fetch, struct tcp_pcb *pcb)
{
    fetch->sent_at = time_now();
    fetch->end_match = fetch->length = 0;
    err_t error = tcp_write(pcb, fetch->request, (u16_t)strlen(fetch->request),
                            TCP_WRITE_FLAG_COPY);
    return error == ERR_OK ? tcp_output(pcb) : error;
}

/* A reply of a round is complete. */
static void round_end(struct fetch *fetch, struct tcp_pcb *pcb)
{
    uint64_t took = time_now() - fetch->sent_at;

    fetch->longest = took > fetch->longest ? took : fetch->longest;
    if (--fetch->rounds == 0) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_err(pcb, NULL);
        finish(fetch, tcp_close(pcb) != ERR_OK);
    } else if (request_send(fetch, pcb) != ERR_OK) {
        finish(fetch, true);
    }
}

static void take(struct fetch *fetch, uint8_t byte)
{
    if (fetch->end_match == strlen(HEADER_END)) {
        fetch->length++;
        fetch->a = (fetch->a + byte) % ADLER_BASE;
        fetch->b = (fetch->b + fetch->a) % ADLER_BASE;
        return;
    }
    if (fetch->head < sizeof(fetch->status) - 1) {
        fetch->status[fetch->head] = (char)byte;
    }
    fetch->head++;
    if (byte == (uint8_t)HEADER_END[fetch->end_match]) {
        fetch->end_match++;
    } else {
        fetch->end_match = byte == '\r';
    }
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct fetch *fetch = arg;

    if (p == NULL || error != ERR_OK) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_err(pcb, NULL);
        finish(fetch, error != ERR_OK);
        if (tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
            return ERR_ABRT;
        }
        return ERR_OK;
    }
    for (const struct pbuf *q = p; q != NULL; q = q->next) {
        const uint8_t *bytes = q->payload;
        for (unsigned int i = 0; i < q->len; i++) {
            take(fetch, bytes[i]);
        }
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    if (fetch->rounds && fetch->end_match == strlen(HEADER_END) && fetch->length == fetch->body) {
        round_end(fetch, pcb);
    }
    return ERR_OK;
}

static void lost(void *arg, err_t error)
{
    (void)error;
    finish(arg, true); /* the pcb is freed already */
}

static err_t connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)error;
    return request_send(arg, pcb);
}

static unsigned int option_number(const char *name)
{
    const char *text = start_option(name);

    return text != NULL ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

static bool fetch_run(struct fetch *fetch, const ip_addr_t *server, const char *path)
{
    struct tcp_pcb *pcb = tcp_new();

    *fetch = (struct fetch){
        .a = 1, .rounds = option_number("rounds"), .body = option_number("body")};
    snprintf(fetch->request, sizeof(fetch->request),
             fetch->rounds ? "%s %s HTTP/1.1\r\nHost: web\r\n\r\n" : "%s %s HTTP/1.0\r\n\r\n",
             fetch->rounds && !fetch->body ? "HEAD" : "GET", path);
    if (pcb == NULL) {
        return false;
    }
    tcp_arg(pcb, fetch);
    tcp_recv(pcb, received);
    tcp_err(pcb, lost);
    if (tcp_connect(pcb, server, HTTP_PORT, connected) != ERR_OK) {
        tcp_abort(pcb);
        return false;
    }
    if (!wait_event_timeout(&fetch->queue, fetch->done, FETCH_NS)) {
        tcp_abort(pcb);
        return false;
    }
    return !fetch->failed;
}

int main(void)
{
    static struct fetch fetch;
    const char *address = start_option("ip"), *from = start_option("from");
    const char *path = start_option("path");
    unsigned int rounds = option_number("rounds");
    struct net_device *card = netfront_init() == 0 ? netfront_wait("eth0", WAIT_NS) : NULL;
    ip_addr_t server;

    if (card == NULL || from == NULL || path == NULL || !ipaddr_aton(from, &server) ||
        netstack_start(card, address != NULL ? address : "dhcp", "fetch") != 0 ||
        !netstack_wait_address(card, WAIT_NS)) {
        printf("fetch: FAILED, no card, no address or nothing to fetch\n");
        return 1;
    }
    printf("fetch: this is %s\n", ip4addr_ntoa(netif_ip4_addr(netstack_netif(card))));
    do {
        uint64_t start = time_now();
        bool good = fetch_run(&fetch, &server, path);
        printf("fetch: %s, \"%s\", %u bytes, Adler-32 %08x, %lu ms\n", good ? "ok" : "FAILED",
               fetch.status, fetch.length, fetch.b << 16 | fetch.a,
               (unsigned long)((time_now() - start) / NSEC_PER_MSEC));
        if (rounds != 0) {
            printf("fetch: %u rounds, %lu us each, the longest %lu us\n", rounds,
                   (unsigned long)((time_now() - start) / NSEC_PER_USEC / rounds),
                   (unsigned long)(fetch.longest / NSEC_PER_USEC));
        }
    } while (start_option("loop") != NULL);
    return fetch.failed;
}
