// SPDX-License-Identifier: MIT
/*
 * An HTTP/1.1 server on lwIP for what http_files.h has: GET and HEAD, persistent connections with requests
 * one behind the other, ranges, If-Modified-Since. At most HTTP_CONNECTIONS_MAX clients at a time, each of
 * which is cut off after HTTP_IDLE_SECONDS without progress.
 */
#pragma once

#include <stdint.h>

#define HTTP_CONNECTIONS_MAX 32U
#define HTTP_IDLE_SECONDS 30U

/* Listens on `port` of all interfaces. 0, -XEN_ENOMEM, -XEN_EADDRINUSE. */
int http_server_start(uint16_t port);
