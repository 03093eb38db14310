// SPDX-License-Identifier: MIT
/*
 * What the HTTP server serves: pages made on demand, and the files of ISO 9660 volumes below a prefix.
 *
 * The server's callbacks may not wait for a disk. So the volume's directory is read when it is added, and
 * a thread reads ahead in the files that are being sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "pvguest/http.h"
#include "pvguest/iso9660.h"

/* Makes the page of `path` ("/" is "/index.html"): a string for free(), NULL when out of memory. */
typedef char *http_page(const char *path);

/* 0 or -XEN_ENOMEM. The path is kept, not copied. */
int http_add_page(const char *path, http_page *make);

/* Serves all files of the volume below "PREFIX/". 0 or -XEN_E*. The volume stays. */
int http_add_volume(const char *prefix, const struct iso9660_volume *volume);

/* Called for each file of the volumes: its path and size. */
void http_files_visit(void (*visit)(void *context, const char *path, uint32_t size), void *context);

/* --- for the server: one page or file on its way to a client */

struct http_source;

/*
 * 0 and the source of `path` with what there is to say of it, or -XEN_ENOENT, -XEN_ENOMEM. `ready(context)`
 * is called, from a thread, when more than before can be peeked at, or reading has failed.
 */
int http_source_open(const char *path, void (*ready)(void *context), void *context,
                     struct http_source **source, struct http_resource *resource);

/* Begins to read at byte `first`, `count` bytes in all; once. 0 or -XEN_ENOMEM. */
int http_source_start(struct http_source *source, uint64_t first, uint64_t count);

/* The next bytes that are there: how many, and in *data where; 0: none yet; -XEN_EIO: there will be none. */
long http_source_peek(struct http_source *source, const void **data);

/* `count` bytes of them have been sent (copied). */
void http_source_take(struct http_source *source, size_t count);

void http_source_close(struct http_source *source); /* NULL is allowed */
