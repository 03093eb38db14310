// SPDX-License-Identifier: MIT
/*
 * Files for lwIP's HTTP server (lwip/apps/httpd.h): pages made on demand, and the files of an ISO 9660
 * volume below a prefix.
 *
 * The server's callbacks may not wait for a disk. So the volume's directory is read when it is
 * mounted, and a thread reads ahead in the files that are being sent.
 */
#pragma once

#include "pvguest/iso9660.h"

/* Makes the page of `path` ("/index.html" for "/"): a string for free(), NULL when out of memory. */
typedef char *http_page(const char *path);

/* 0 or -XEN_ENOMEM. The path is kept, not copied. */
int http_add_page(const char *path, http_page *make);

/* Serves all files of the volume below "PREFIX/". 0 or -XEN_E*. The volume stays. */
int http_add_volume(const char *prefix, const struct iso9660_volume *volume);

/* Called for each file of the volumes: its path and size. */
void http_files_visit(void (*visit)(void *context, const char *path, uint32_t size), void *context);
