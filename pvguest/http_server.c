// SPDX-License-Identifier: MIT
/*
 * See http_server.h. A connection is in one of two states: it collects a request's head, or it sends a reply
 * (head, then a body from memory or from an http_source). Everything happens in callbacks of lwIP and of the
 * reading thread, which do not interrupt each other (netstack.h).
 *
 * Whoever writes to a connection outside of its own receive callback has to call tcp_output: nobody else does
 * before TCP's timer, 250 ms later. That is done at one place, at the end of connection_work().
 *
 * What a client sends ahead is kept up to INPUT_MAX bytes, copied together: a received pbuf pins a page however
 * little is in it. More is refused, which makes TCP close its window.
 */
#include "pvguest/http_server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lwip/tcp.h"
#include "pvguest/http.h"
#include "pvguest/http_files.h"
#include <xen/errno.h>

#define POLL_INTERVAL 2U /* in TCP's slow ticks of 500 ms */
#define INPUT_MAX (2 * TCP_MSS)

struct connection {
    struct tcp_pcb *pcb;
    struct pbuf *input; /* received and not used */
    bool input_ended;   /* the client has nothing more to say */
    bool sending, closing;
    char head[HTTP_HEAD_MAX]; /* of the request */
    size_t head_length;
    struct http_request request;
    struct http_reply reply;
    size_t head_sent, body_sent;
    struct http_source *source;
    uint64_t left;     /* of the source */
    unsigned int idle; /* polls since the last reply began or a byte of it was acknowledged */
};

static unsigned int connection_count;

static void connection_work(struct connection *c);

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

static void connection_free(struct connection *c)
{
    http_source_close(c->source);
    if (c->input != NULL) {
        pbuf_free(c->input);
    }
    connection_count--;
    free(c);
}

/* No callback comes after this. */
static void connection_detach(struct connection *c)
{
    tcp_arg(c->pcb, NULL);
    tcp_recv(c->pcb, NULL);
    tcp_sent(c->pcb, NULL);
    tcp_err(c->pcb, NULL);
    tcp_poll(c->pcb, NULL, 0);
}

/* Everything has been acknowledged. False: TCP had no memory for the end, and the connection was reset. */
static bool connection_close(struct connection *c)
{
    struct tcp_pcb *pcb = c->pcb;

    connection_detach(c);
    if (c->input != NULL) {
        tcp_recved(pcb, c->input->tot_len); /* a close with bytes unread would be a reset */
    }
    /* So would one with a FIN that came behind refused data: lwIP gives its place in the window back only when we
     * have returned, to a connection that the reset has freed. At the full window this does nothing. */
    tcp_recved(pcb, 1);
    if (tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
        connection_free(c);
        return false;
    }
    connection_free(c);
    return true;
}

/* Requests -------------------------------------------------------------------------------------------- */
static void source_ready(void *context)
{
    connection_work(context);
}

/* Opens what is asked for and decides on the answer. */
static void reply_choose(struct connection *c)
{
    struct http_resource resource;
    bool is_head = c->request.method == HTTP_HEAD;
    int rc = http_source_open(c->request.path, source_ready, c, &c->source, &resource);

    if (rc == 0) {
        http_answer(&c->reply, &c->request, &resource, now());
        c->left = c->reply.count;
        rc = http_source_start(c->source, c->reply.first, c->reply.count);
    } else if (rc == -XEN_ENOENT) {
        http_answer(&c->reply, &c->request, NULL, now());
        return;
    }
    if (rc != 0) {
        c->left = 0;
        http_refuse(&c->reply, 503, is_head, false, now());
    }
}

static void reply_begin(struct connection *c, unsigned int status)
{
    c->sending = true;
    c->idle = 0;
    c->head_sent = c->body_sent = 0;
    c->left = 0;
    if (status == 200) {
        reply_choose(c);
    } else {
        http_refuse(&c->reply, status, c->request.method == HTTP_HEAD,
                    (status == 405 || status == 501) && c->request.keep_alive &&
                        !c->request.has_body,
                    now());
    }
}

/* Headers may have filled a pbuf whole: the chain behind it. */
static struct pbuf *input_skip_empty(struct pbuf *empty)
{
    struct pbuf *rest = empty->next;

    empty->next = NULL;
    pbuf_free(empty);
    return rest;
}

/* Moves input to the head, byte by byte behind a line's end only as far as the head goes. */
static bool head_collect(struct connection *c)
{
    while (c->input != NULL && c->head_length < HTTP_HEAD_MAX) {
        if (c->input->len == 0) {
            c->input = input_skip_empty(c->input);
            continue;
        }
        size_t room = HTTP_HEAD_MAX - c->head_length, before = c->head_length;
        u16_t n = pbuf_copy_partial(c->input, c->head + before,
                                    (u16_t)(room < c->input->len ? room : c->input->len), 0);
        size_t whole = http_head_length(c->head, before + n);
        u16_t used = whole ? (u16_t)(whole - before) : n;
        c->head_length = before + used;
        c->input = pbuf_free_header(c->input, used);
        tcp_recved(c->pcb, used);
        if (whole) {
            return true;
        }
    }
    return false;
}

/* A request from the input, if one is complete. */
static void request_read(struct connection *c)
{
    memset(&c->request, 0, sizeof(c->request));
    if (head_collect(c)) {
        reply_begin(c, http_parse(&c->request, c->head, c->head_length));
    } else if (c->head_length == HTTP_HEAD_MAX) {
        reply_begin(c, 431);
    } else if (c->input_ended) {
        c->closing = true;
    }
}

/* Replies --------------------------------------------------------------------------------------------- */
/* How much of `length` bytes TCP takes now; they are copied. */
static size_t send_some(struct connection *c, const void *data, size_t length, bool more)
{
    size_t room = tcp_sndbuf(c->pcb), n = length < room ? length : room;
    u8_t flags = TCP_WRITE_FLAG_COPY | (more || n < length ? TCP_WRITE_FLAG_MORE : 0);

    n = n < UINT16_MAX ? n : UINT16_MAX;
    while (n > 0 && tcp_write(c->pcb, data, (u16_t)n, flags) != ERR_OK) {
        n = n > TCP_MSS ? n / 2
                        : 0; /* its queue is short: the rest after the next acknowledgement */
    }
    return n;
}

/* False: nothing more goes now. */
static bool send_source(struct connection *c)
{
    const void *data;
    long ready = http_source_peek(c->source, &data);

    if (ready < 0) {
        c->reply.keep_alive = false; /* the end of the connection tells that bytes are missing */
        c->left = 0;
        return true;
    }
    size_t n = (size_t)ready < c->left ? (size_t)ready : c->left;
    n = send_some(c, data, n, n < c->left);
    if (n > 0) {
        http_source_take(c->source, n);
        c->left -= n;
    }
    return n > 0;
}

/* True when all of the reply is with TCP. */
static bool reply_send(struct connection *c)
{
    const struct http_reply *r = &c->reply;
    size_t body = r->body ? strlen(r->body) : 0;
    bool has_more = body || c->left;

    while (c->head_sent < r->head_length) {
        size_t n = send_some(c, r->head + c->head_sent, r->head_length - c->head_sent, has_more);
        if (n == 0) {
            return false;
        }
        c->head_sent += n;
    }
    while (c->body_sent < body) {
        size_t n = send_some(c, r->body + c->body_sent, body - c->body_sent, false);
        if (n == 0) {
            return false;
        }
        c->body_sent += n;
    }
    while (c->left) {
        if (!send_source(c)) {
            return false;
        }
    }
    http_source_close(c->source);
    c->source = NULL;
    c->sending = false;
    c->head_length = 0;
    c->closing = !r->keep_alive;
    return true;
}

/* Goes on as far as it goes; the connection may be gone afterwards: false if it was aborted. */
static bool connection_step(struct connection *c)
{
    bool is_going = true;

    while (is_going && !c->closing) {
        if (!c->sending) {
            request_read(c);
        }
        is_going = c->sending && reply_send(c);
    }
    /* Until all is acknowledged it counts: a client that never takes its reply is cut off when it is idle. */
    if (c->closing && tcp_sndqueuelen(c->pcb) == 0) {
        return connection_close(c);
    }
    tcp_output(c->pcb);
    return true;
}

static void connection_work(struct connection *c)
{
    (void)connection_step(c);
}

/* lwIP's callbacks ------------------------------------------------------------------------------------ */
static bool input_add(struct connection *c, struct pbuf *p)
{
    if (c->input == NULL) {
        c->input = p;
        return true;
    }
    size_t before = c->input->tot_len, total = before + p->tot_len;
    struct pbuf *both = total <= INPUT_MAX ? pbuf_alloc(PBUF_RAW, (u16_t)total, PBUF_RAM) : NULL;
    if (both == NULL) {
        return false;
    }
    pbuf_copy_partial(c->input, both->payload, (u16_t)before, 0);
    pbuf_copy_partial(p, (char *)both->payload + before, p->tot_len, 0);
    pbuf_free(c->input);
    pbuf_free(p);
    c->input = both;
    return true;
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct connection *c = arg;

    (void)pcb;
    (void)error;
    if (p == NULL) {
        c->input_ended = true;
    } else if (!input_add(c, p)) {
        return ERR_MEM; /* comes again */
    }
    return connection_step(c) ? ERR_OK : ERR_ABRT;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t length)
{
    struct connection *c = arg;

    (void)pcb;
    (void)length;
    c->idle = 0;
    return connection_step(c) ? ERR_OK : ERR_ABRT;
}

/* The connection is gone already. */
static void failed(void *arg, err_t error)
{
    (void)error;
    connection_free(arg);
}

static err_t polled(void *arg, struct tcp_pcb *pcb)
{
    struct connection *c = arg;

    if (++c->idle >= HTTP_IDLE_SECONDS) {
        connection_detach(c);
        tcp_abort(pcb);
        connection_free(c);
        return ERR_ABRT;
    }
    return connection_step(c) ? ERR_OK : ERR_ABRT;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)arg;
    if (error != ERR_OK || pcb == NULL) {
        return ERR_VAL;
    }
    struct connection *c = connection_count < HTTP_CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        return ERR_MEM; /* reset: the client may try again */
    }
    connection_count++;
    c->pcb = pcb;
    tcp_nagle_disable(pcb); /* replies are whole when they are written */
    tcp_arg(pcb, c);
    tcp_recv(pcb, received);
    tcp_sent(pcb, sent);
    tcp_err(pcb, failed);
    tcp_poll(pcb, polled, POLL_INTERVAL);
    return ERR_OK;
}

int http_server_start(uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    if (pcb == NULL) {
        return -XEN_ENOMEM;
    }
    if (tcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK) {
        tcp_close(pcb);
        return -XEN_EADDRINUSE;
    }
    struct tcp_pcb *listener = tcp_listen(pcb);
    if (listener == NULL) {
        tcp_close(pcb);
        return -XEN_ENOMEM;
    }
    tcp_accept(listener, accepted);
    return 0;
}
