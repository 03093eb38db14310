// SPDX-License-Identifier: MIT
/*
 * HTTP/1.1 as far as a server of files needs it: requests read, heads of replies written. Pure: no sockets,
 * no memory of its own. Sources: RFC 9110 (semantics), RFC 9112 (syntax).
 *
 * The client is hostile: heads are of at most HTTP_HEAD_MAX bytes, every number is bounded, and what is not
 * understood is an error and the end of the connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 8192U
#define HTTP_PATH_MAX 512U
#define HTTP_REPLY_MAX 768U
#define HTTP_NO_TIME INT64_MIN

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_NOT_ALLOWED, HTTP_UNKNOWN };

enum http_range { HTTP_WHOLE, HTTP_FROM_TO, HTTP_LAST };

struct http_request {
    enum http_method method;
    char path[HTTP_PATH_MAX]; /* decoded, without query */
    bool is_1_1;
    bool keep_alive; /* as the client wants it */
    bool has_body;   /* which nobody reads: the connection ends with the reply */
    enum http_range range;
    uint64_t first,
        last; /* HTTP_FROM_TO: bytes, UINT64_MAX for an open end; HTTP_LAST: count in last */
    int64_t if_modified_since; /* seconds since 1970, or HTTP_NO_TIME */
    int64_t if_range;          /* the same; the range counts only for what has exactly this date */
    bool has_if_range;
};

/* What is to be sent. */
struct http_resource {
    const char *type; /* media type */
    uint64_t size;
    int64_t modified; /* or HTTP_NO_TIME */
};

struct http_reply {
    unsigned int status;
    bool keep_alive;
    uint64_t first, count; /* the part of the resource that follows the head; count 0: none */
    char head[HTTP_REPLY_MAX];
    size_t head_length;
    const char *body; /* of an error, to be sent behind the head; else NULL */
};

/* Length of the head that `data` begins with, the empty line included; 0: not complete. */
size_t http_head_length(const char *data, size_t length);

/* Reads a complete head: 200, or the status of the error, after which the connection ends. */
unsigned int http_parse(struct http_request *request, const char *head, size_t length);

/* The answer to a request for `resource` (NULL: there is none) at the time `now`, seconds since 1970. */
void http_answer(struct http_reply *reply, const struct http_request *request,
                 const struct http_resource *resource, int64_t now);

/* An error; with keep_alive false the connection ends with it. The body is left out for HEAD. */
void http_refuse(struct http_reply *reply, unsigned int status, bool is_head, bool keep_alive,
                 int64_t now);

/* Media type of a file by its name. */
const char *http_type(const char *path);

/* Dates of HTTP (RFC 9110, section 5.6.7): all three forms are read, the first is written. */
int64_t http_date_parse(const char *text, size_t length); /* HTTP_NO_TIME if it is none */
#define HTTP_DATE_SIZE 40U
void http_date_format(char text[HTTP_DATE_SIZE], int64_t time);
